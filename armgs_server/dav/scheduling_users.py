# SPDX-License-Identifier: Apache-2.0
"""Who the calendar user addresses of an object are (RFC 6638 §2.4.1): people here, or somebody elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from armgs_server.directory import Directory, control_lists
from armgs_server.directory.model import Principal
from armgs_server.errors import Invalid
from armgs_server.formats.addresses import normalise_domain, parse
from armgs_server.formats.icalendar import CalendarObject
from armgs_server.formats.itip import plain

SCHEDULED = ("person", "room", "equipment")  # who has a calendar


class Users:
    """The people of one change. They are learnt before the transaction, and looked up inside of it."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._keys: dict[str, str] = {}
        self._principals: dict[str, Principal | None] = {}
        self._numbers: dict[str, frozenset[int]] = {}

    async def learn(self, found: CalendarObject) -> None:
        """Everybody an object names."""
        await self.learn_addresses(
            line[2]
            for member in found.members
            for line in member.properties
            if line[0] in ("ATTENDEE", "ORGANIZER")
        )

    async def learn_addresses(self, addresses: Iterable[str]) -> None:
        """More addresses; those that are known already cost nothing."""
        for address in addresses:
            text = plain(address)
            if text in self._keys:
                continue
            principal = await self._directory.by_address(text) if "@" in text else None
            key = principal.address if principal is not None else text
            self._keys[text] = self._keys[key] = key
            self._principals[key] = principal

    async def learn_principal(self, principal: Principal) -> str:
        """Somebody whose principal is at hand; the key."""
        self._keys[principal.address] = principal.address
        self._principals[principal.address] = principal
        return principal.address

    async def learn_sender(self, principal: Principal) -> str:
        """The same for who sends the messages of the change."""
        self._numbers[principal.address] = await self._directory.groups_of(principal)
        return await self.learn_principal(principal)

    def numbers(self, key: str) -> frozenset[int]:
        """What a grant to a sender may be to: the principal and its groups."""
        return self._numbers.get(key, frozenset())

    def who(self, address: str) -> str:
        """The key of an address."""
        text = plain(address)
        return self._keys.get(text, text)

    def principal(self, key: str) -> Principal | None:
        """Who it is in the directory."""
        return self._principals.get(key)

    def calendar_of(self, key: str) -> Principal | None:
        """Somebody here who has a calendar."""
        principal = self._principals.get(key)
        return principal if principal is not None and principal.kind in SCHEDULED else None

    def groups(self) -> list[Principal]:
        """The groups among them."""
        return [each for each in self._principals.values() if each is not None and each.kind == "group"]

    def resources(self) -> list[Principal]:
        """The rooms and equipment among them."""
        return [each for each in self._principals.values() if each and each.kind in ("room", "equipment")]

    def owners(self) -> set[int]:
        """The accounts of all who have a calendar here."""
        found = map(self.calendar_of, self._principals)
        return {principal.id for principal in found if principal is not None}

    def holders(self) -> set[int]:
        """The accounts of the control lists in which tasks of these people are shown."""
        found = filter(None, self._principals.values())
        return {control_lists.holder_of(each) for each in found if each.kind == "person"}

    def mail_domain(self, key: str) -> str:
        """The domain that mail for somebody elsewhere goes to; '' where there is no such thing."""
        if self._principals.get(key) is not None:
            return ""
        try:
            address = parse(key)
        except Invalid:
            return ""
        return "" if self._directory.is_local(address.domain) else normalise_domain(address.domain)
