# SPDX-License-Identifier: Apache-2.0
"""Finder: the reading side of the directory, from memory wherever it can.

What is read is kept until a message on the topic `directory` names the principal; lists and groups are
forgotten at any such message. A value that was read before a message is never kept after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeVar

from armgs_server.config import Config
from armgs_server.directory import contacts, lookup
from armgs_server.directory.cache import Cache
from armgs_server.directory.model import TOPIC, TOPIC_DOMAINS, Principal
from armgs_server.errors import Invalid
from armgs_server.formats.addresses import normalise
from armgs_server.storage import Store
from armgs_server.storage.tx import Tx, Work

T = TypeVar("T")

_NOBODY: Final = 0  # kept for an address that nobody has
_ALONE: Final[list[Principal]] = []  # the colleagues of who is in no unit; nobody changes a list given out


class Finder:
    """See the module's docstring. Bounded: settings `directory_cache` and `roster_limit`."""

    def __init__(self, store: Store, config: Config) -> None:
        self.store = store
        self.config = config
        limit = config.security.directory_cache
        self._by_id: Cache[int, Principal] = Cache(limit)
        self._ids: Cache[str, int] = Cache(limit)  # address or alias -> id
        self._lists: Cache[tuple[str, int], Any] = Cache(limit)
        self._domains: dict[str, int] = {}
        self._generation = 0
        self._reload: asyncio.Task[None] | None = None
        self._unsubscribe = (
            store.bus.subscribe(TOPIC, self._on_change),
            store.bus.subscribe(TOPIC_DOMAINS, self._on_domains),
        )

    async def close(self) -> None:
        """Stops listening and ends what runs in the background."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        if self._reload is not None:
            self._reload.cancel()
            await asyncio.gather(self._reload, return_exceptions=True)

    # Finding

    @property
    def domains(self) -> Mapping[str, int]:
        """Every domain served here, with its department."""
        return MappingProxyType(self._domains)

    def is_local(self, domain: str) -> bool:
        """Whether a domain, in its normal spelling, is served here."""
        return domain in self._domains

    async def by_id(self, principal_id: int) -> Principal | None:
        """The principal with that number."""
        found = self._by_id.get(principal_id)
        if found is not None:
            return found
        return await self._fetch(lambda tx: lookup.by_id(tx, principal_id))

    async def by_address(self, address: str) -> Principal | None:
        """The principal with exactly this address or alias, however it is spelled."""
        id_ = self._ids.get(address)
        if id_ is None:
            try:
                spelled = normalise(address)
            except Invalid:
                return None
            generation = self._generation
            found = await self._fetch(lambda tx: lookup.by_address(tx, spelled))
            if generation == self._generation:
                self._ids.put(address, found.id if found else _NOBODY)
            return found
        return await self.by_id(id_) if id_ != _NOBODY else None

    async def resolve(self, address: str) -> Principal | None:
        """By address, else without its +detail; a local part alone where there is one domain."""
        local, at, domain = address.rpartition("@")
        if not at:
            local, domain = address, next(iter(self._domains)) if len(self._domains) == 1 else ""
            if not domain:
                return None
        found = await self.by_address(f"{local}@{domain}")
        if found is None and "+" in local:
            found = await self.by_address(f"{local.partition('+')[0]}@{domain}")
        return found

    # Lists: disabled people are in them

    async def members(self, group: Principal) -> list[Principal]:
        """The people behind a group (nested ones opened), a unit or a department."""
        return await self._list("members", group.id, lambda tx: lookup.members(tx, group))

    async def direct_members(self, group: Principal) -> list[Principal]:
        """The people and groups that were put into a group."""
        return await self._list("direct", group.id, lambda tx: lookup.direct_members(tx, group.id))

    async def contacts(self, group: Principal) -> list[Principal]:
        """The outside contacts behind a group, nested ones opened: they get its mail, and nothing else."""
        return await self._list("contacts", group.id, lambda tx: contacts.behind(tx, group))

    async def groups_of(self, person: Principal) -> frozenset[int]:
        """Numbers: itself, its groups (nested), its chain of units, its department."""
        return await self._list("groups", person.id, lambda tx: lookup.groups_of(tx, person))

    async def people(self, department: int) -> list[Principal]:
        """All people of a department."""
        return await self._list("person", department, lambda tx: lookup.of_kind(tx, department, "person"))

    async def units(self, department: int) -> list[Principal]:
        """All units of a department; `unit` is their parent."""
        return await self._list("unit", department, lambda tx: lookup.of_kind(tx, department, "unit"))

    async def groups(self, department: int) -> list[Principal]:
        """All groups of a department."""
        return await self._list("group", department, lambda tx: lookup.of_kind(tx, department, "group"))

    async def rooms(self, department: int) -> list[Principal]:
        """All meeting rooms of a department."""
        return await self._list("room", department, lambda tx: lookup.of_kind(tx, department, "room"))

    async def equipment(self, department: int) -> list[Principal]:
        """All equipment of a department."""
        return await self._list(
            "equipment", department, lambda tx: lookup.of_kind(tx, department, "equipment")
        )

    async def departments(self) -> list[Principal]:
        """All departments."""
        return await self._list("departments", 0, lambda tx: lookup.all_of_kind(tx, "department", 0, 100_000))

    async def aliases(self, principal: Principal) -> list[str]:
        """The other addresses of a principal."""
        return await self._list("aliases", principal.id, lambda tx: lookup.aliases(tx, principal.id))

    async def directly_in(self, department: int, unit: int) -> list[Principal]:
        """All people of a unit, not of those below it; 0: of none of the department's. Heads first."""
        key = unit or -department
        return await self._list(
            "directly in", key, lambda tx: lookup.unit_people(tx, department, unit, lookup.NO_LIMIT)
        )

    async def unit_people(self, person: Principal) -> list[Principal]:
        """The colleagues of a person's unit, the person among them, heads first; capped by a setting.

        Who is in no unit has no colleagues, unless a setting says otherwise.
        """
        if not any(person.units) and not self.config.security.roster_without_unit:
            return _ALONE
        if len(person.units) == 1:
            return await self._colleagues(person.department, person.unit)
        parts = [await self._colleagues(person.department, unit) for unit in person.units if unit]
        return await self._list("colleagues of", person.id, partial(_united, parts))

    async def _colleagues(self, department: int, unit: int) -> list[Principal]:
        limit = self.config.security.roster_limit
        key = unit or -department  # directly under the department: no unit's number is negative
        return await self._list("colleagues", key, lambda tx: lookup.unit_people(tx, department, unit, limit))

    async def heads(self, department: int) -> list[Principal]:
        """Who leads the department and its units; capped by a setting."""
        limit = self.config.security.roster_limit
        return await self._list("heads", department, lambda tx: lookup.heads(tx, department, limit))

    async def roster_of(self, person: Principal) -> list[Principal]:
        """Whom a person sees without asking: the unit, then heads; nobody disabled, capped by a setting."""
        seen = {
            each.id: each
            for each in (*await self.unit_people(person), *await self.heads(person.department))
            if each.id != person.id and not each.disabled
        }
        return list(seen.values())[: self.config.security.roster_limit]

    async def deputies(self, group: Principal) -> list[Principal]:
        """Who stands in for a group while it is vacant."""
        return await self._list("deputies", group.id, lambda tx: lookup.deputies(tx, group.id))

    async def may_send_as(self, person: Principal, address: str) -> bool:
        """Whether it is the person's own, with any detail, its owner lists the person as a sender, or it has
        a mailbox of a group that the person is in."""
        owner = await self.resolve(address)
        if owner is None or owner.kind == "department":
            return False
        if owner.id == person.id:
            return True
        senders = owner.data.get("senders", ())
        if owner.kind == "group" and owner.data.get("mailbox") and not owner.data.get("estate"):
            senders = (owner.id, *senders)
        return bool(senders) and not (await self.groups_of(person)).isdisjoint(senders)

    async def may_send_for(self, person: Principal, address: str) -> bool:
        """Whether its owner lists the person as one who writes on behalf of it (RFC 5322 §3.6.2, Sender)."""
        owner = await self.resolve(address)
        delegates = () if owner is None else owner.data.get("delegates", ())
        return bool(delegates) and not (await self.groups_of(person)).isdisjoint(delegates)

    # Keeping

    async def load_domains(self) -> None:
        """Reads which domains are served here."""
        self._domains = await self.store.read(lookup.domains)

    async def _fetch(self, work: Work[Principal | None]) -> Principal | None:
        generation = self._generation
        found = await self.store.read(work)
        if found is not None and generation == self._generation:
            self._by_id.put(found.id, found)
        return found

    async def _list(self, name: str, number: int, work: Work[T]) -> T:
        known: T | None = self._lists.get((name, number))
        if known is not None:
            return known
        generation = self._generation
        found = await self.store.read(work)
        if generation == self._generation:
            self._lists.put((name, number), found)
        return found

    def _on_change(self, data: bytes) -> None:
        self._forget(int(data))

    def _forget(self, principal_id: int) -> None:
        self._generation += 1
        self._by_id.drop(principal_id)
        self._ids.clear()
        self._lists.clear()

    def forget_all(self) -> None:
        """Messages may have been missed: everything is read again."""
        self._by_id.clear()
        self._forget(_NOBODY)
        self._on_domains(b"")

    def _on_domains(self, _: bytes) -> None:
        if self._reload is None or self._reload.done():
            self._reload = asyncio.get_running_loop().create_task(self.load_domains())


async def _united(lists: Sequence[list[Principal]], tx: Tx) -> list[Principal]:
    """Colleagues of several units, each once, heads first."""
    found = {each.id: each for part in lists for each in part}
    return sorted(found.values(), key=lambda each: (not each.head, each.id))
