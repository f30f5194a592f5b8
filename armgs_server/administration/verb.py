# SPDX-License-Identifier: Apache-2.0
"""A verb: one thing that an administrator can do, in the words of the directory. And the desk it is done at.

What must hold: a handler finds everything through the desk. The desk shows nothing of a department that the
administrator does not have: its people, units and domains are answered like those that do not exist.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from armgs_server.administration.fields import Field
from armgs_server.directory import lookup
from armgs_server.directory.administrators import KEY
from armgs_server.directory.directory import Directory
from armgs_server.directory.model import Kind, Principal
from armgs_server.directory.people import Credential
from armgs_server.errors import Denied, Invalid, NotFound
from armgs_server.formats.addresses import normalise, normalise_domain
from armgs_server.storage.tx import Tx

Given: TypeAlias = Mapping[str, Any]


@dataclass(slots=True)
class Desk:
    """Who does it, and for which departments; None is all of them. One for each time something is done."""

    directory: Directory
    actor: str
    departments: frozenset[int] | None
    person: Principal | None
    now: int
    credentials: Mapping[str, Sequence[Credential]] = field(default_factory=dict)  # of new passwords
    about: set[int] = field(default_factory=set)  # departments that what is done is about
    groups: Sequence[str] = ()  # of verbs, as tokens name them

    def admits(self, department: int) -> bool:
        """Whether the administrator has that department."""
        return self.departments is None or department in self.departments

    def check_all(self) -> None:
        """Denied where the administrator does not have the whole server."""
        if self.departments is not None:
            raise Denied("this is for administrators of all departments")

    async def department(self, tx: Tx, domain: str) -> Principal:
        """The department that serves a domain."""
        number = await tx.value("SELECT department FROM domain WHERE name = ?", _domain(domain))
        if number is None or not self.admits(number):
            raise NotFound(f"{domain} is not a domain of a department of yours")
        self.about.add(number)
        return await lookup.existing(tx, number, "department")

    async def domain_of(self, tx: Tx, address: str) -> Principal:
        """The department of an address that is to be given to somebody."""
        return await self.department(tx, address.rpartition("@")[2])

    async def find(self, tx: Tx, address: str, *kinds: Kind) -> Principal:
        """Who has the address."""
        try:
            found = await lookup.by_address(tx, normalise(address))
        except Invalid:
            found = None
        if found is None or found.kind not in kinds or not self.admits(found.department):
            raise NotFound(f"there is no {' or '.join(kinds)} {address[:200]}")
        self.about.add(found.department)
        return found

    async def below(self, tx: Tx, found: Principal) -> Principal:
        """Who is found, if it administers no more than is administered here. Denied: whoever sets an
        administrator's password, or joins a group of administrators, would be one."""
        if self.departments is None:
            return found
        held = await lookup.groups_of(tx, found)
        for address in self.directory.config.security.administrators:
            general = await lookup.by_address(tx, normalise(address))
            if general is not None and general.id in held:
                raise Denied(f"{found.address or found.name} administers more than you do")
        for department in await lookup.all_of_kind(tx, "department", 0, 100_000):
            if held.intersection(department.data.get(KEY, ())) and not self.admits(department.id):
                raise Denied(f"{found.address or found.name} administers more than you do")
        return found

    async def number(self, tx: Tx, number: int, *kinds: Kind) -> Principal:
        """What has the number: a unit, a post."""
        found = await lookup.by_id(tx, number)
        if found is None or found.kind not in kinds or not self.admits(found.department):
            raise NotFound(f"there is no {' or '.join(kinds)} with the number {number}")
        self.about.add(found.department)
        return found

    async def chosen(self, tx: Tx, domain: str) -> list[Principal]:
        """The department of a domain; without one all that the administrator has."""
        if domain:
            return [await self.department(tx, domain)]
        everywhere = await lookup.all_of_kind(tx, "department", 0, 100_000)
        return [each for each in everywhere if self.admits(each.id)]


Handler: TypeAlias = Callable[[Tx, Desk, Given], Awaitable[Any]]
Outside: TypeAlias = Callable[[Desk, Given], Awaitable[Any]]

PASSWORDS: Final = "passwords"
_OPENING: Final = (
    *("people.password", "app-passwords.add", "app-passwords.remove"),
    *("security-keys.list", "security-keys.remove", "second-factor.reset"),
)
PAGE: Final = {
    "after": Field("integer", "Go on after the one with this number; 0 is the beginning."),
    "limit": Field("integer", "At most so many.", minimum=1, maximum=1000),
}
DEFAULT_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Verb:
    """`path` names arguments in braces. `handle` is one transaction; `outside` has its own ones.

    `changes`: it is written to the journal of acts, and has a preview unless it is done outside.
    """

    name: str
    method: str
    path: str
    summary: str
    arguments: Mapping[str, Field]
    handle: Handler | None = None
    outside: Outside | None = None

    @property
    def scope(self) -> str:
        """The group of verbs that a token must be for: what opens accounts is one of its own."""
        return PASSWORDS if self.name in _OPENING else self.name.partition(".")[0]

    @property
    def changes(self) -> bool:
        return self.method != "GET"

    @property
    def has_preview(self) -> bool:
        return self.changes and self.handle is not None


def _domain(text: str) -> str:
    try:
        return normalise_domain(text)
    except Invalid:
        return ""
