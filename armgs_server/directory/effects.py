# SPDX-License-Identifier: Apache-2.0
"""What a change of the directory brings about for people: rosters, rooms, lists, rights, cards, calendars.

A preview is the change itself, done in a transaction that is undone: it cannot say anything else than what
would happen. A change that is carried out may name the preview it was agreed to; it is refused where by now
it would do something else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from armgs_server.directory import addressbook, lookup, unit_books
from armgs_server.directory.access import Rights, serialise_rights
from armgs_server.directory.model import TOPIC, Principal
from armgs_server.directory.unit_rooms import rooms_of
from armgs_server.errors import Conflict
from armgs_server.storage import Store, items
from armgs_server.storage.tx import Tx, Work

T = TypeVar("T")
KINDS: Final = ("rosters", "rooms", "lists", "rights", "address_books", "calendars")
NAMED: Final = 20  # of what one person gains or loses that many are named, all are counted


@dataclass(frozen=True, slots=True)
class Limits:
    """`people`: of so many it is told what changes; `roster`: colleagues in a roster.

    `departments`: nothing is told of others; None: of all it is.
    """

    people: int
    roster: int
    departments: frozenset[int] | None = None

    def admits(self, department: int) -> bool:
        return self.departments is None or department in self.departments


@dataclass(frozen=True, slots=True)
class Effects:
    """By kind, for each person: what is gained and lost. `people`: how many were looked at; `missed`: not."""

    changes: Mapping[str, list[dict[str, Any]]]
    people: int
    missed: int

    @property
    def digest(self) -> str:
        """The same for the same effects."""
        text = json.dumps([self.changes, self.people, self.missed], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def as_json(self) -> dict[str, Any]:
        return {**self.changes, "people": self.people, "missed": self.missed, "digest": self.digest}


class _Undone(Exception, Generic[T]):
    """Ends a transaction that was a trial."""

    def __init__(self, result: T) -> None:
        super().__init__()
        self.result = result


async def undone(store: Store, work: Work[T]) -> T:
    """What the work would return; nothing of what it does stays."""

    async def trial(tx: Tx) -> T:
        raise _Undone(await work(tx))

    try:
        return await store.write(trial)
    except _Undone as end:
        result: T = end.result
        return result


async def preview(store: Store, work: Work[T], limits: Limits) -> tuple[T, Effects]:
    """What the change would return, and bring about."""
    return await undone(store, await _observed(store, work, limits))


async def agreed(store: Store, work: Work[T], limits: Limits, digest: str) -> Work[T]:
    """A work that does the same, or Conflict where its effects are not those of the digest."""
    observed = await _observed(store, work, limits)

    async def checked(tx: Tx) -> T:
        result, effects = await observed(tx)
        if effects.digest != digest:
            raise Conflict("by now the change would do something else than what was shown")
        return result

    return checked


async def _observed(store: Store, work: Work[T], limits: Limits) -> Work[tuple[T, Effects]]:
    """The work, which then tells its effects. Whom it touches is found out by a trial."""

    async def touching(tx: Tx) -> tuple[list[int], set[int]]:
        await work(tx)
        touched = list(dict.fromkeys(int(data) for topic, data in tx.messages if topic == TOPIC))
        return touched, await _scope(tx, touched, limits)

    touched, after = await undone(store, touching)

    async def observed(tx: Tx) -> tuple[T, Effects]:
        scope = sorted(
            after | await _scope(tx, touched, limits), key=lambda each: (each not in touched, each)
        )
        chosen = scope[: limits.people]
        before = await _Survey(tx, limits).of(chosen)
        result = await work(tx)
        now = await _Survey(tx, limits).of(chosen)
        return result, Effects(_differences(before, now), len(chosen), len(scope) - len(chosen))

    return observed


async def _scope(tx: Tx, touched: Iterable[int], limits: Limits) -> set[int]:
    """The people for whom something may be different."""
    found: set[int] = set()
    for number in touched:
        each = await lookup.by_id(tx, number)
        if each is None:
            continue
        if not limits.admits(each.department) and each.kind != "group":
            continue
        if each.kind in addressbook.KINDS:
            found.add(each.id)
            for unit in each.units if each.kind == "person" else ():
                if unit:
                    near = await lookup.unit_people(tx, each.department, unit, 1 << 31)
                    found.update(one.id for one in near)
        elif each.kind != "chatroom":
            inside = await lookup.members(tx, each)
            found.update(one.id for one in inside if limits.admits(one.department))
    return found


_Facts = Mapping[str, frozenset[str]]


class _Survey:
    """Reads what people have; what many share is read once."""

    def __init__(self, tx: Tx, limits: Limits) -> None:
        self._tx = tx
        self._limits = limits
        self._units: dict[tuple[int, int], frozenset[str]] = {}
        self._heads: dict[int, frozenset[str]] = {}
        self._names: dict[int, str | None] = {}
        self._granted: dict[int, list[tuple[str, str, str]]] = {}  # grantee -> kind, text, letters

    async def of(self, people: Iterable[int]) -> dict[str, _Facts]:
        """By address: of each kind what the person has."""
        found: dict[str, _Facts] = {}
        for number in people:
            person = await lookup.by_id(self._tx, number)
            if person is not None:
                name = person.address or (person.mails or (person.name,))[0]
                found[name] = await self._facts(person)
        return found

    async def _facts(self, person: Principal) -> _Facts:
        facts = {"address_books": await self._card(person)}
        if person.kind != "person" or person.disabled:
            return facts
        groups = await lookup.groups_of(self._tx, person)
        lists = {name for each in groups if each != person.id and (name := await self._name(each))}
        rights: set[str] = set()
        calendars: set[str] = set()
        for grantee in groups:
            for kind, text, letters in await self._grants(grantee):
                (calendars if kind == "calendar" else rights).add(f"{text}: {letters}")
        return facts | {
            "rosters": await self._colleagues(person),
            "rooms": frozenset(rooms_of(person)) if any(person.units) else frozenset(),
            "lists": frozenset(lists),
            "rights": frozenset(rights),
            "calendars": frozenset(calendars),
        }

    async def _card(self, principal: Principal) -> frozenset[str]:
        """The card, by its book and its bytes."""
        if principal.disabled or principal.kind not in addressbook.KINDS:
            return frozenset()
        book = await addressbook.book_of(self._tx, principal.department)
        item = await items.by_name(self._tx, book.owner, book.id, addressbook.card_name(principal))
        if item is None:
            return frozenset()
        return frozenset((f"{await self._name(principal.department)} {item.blob.hex()[:16]}",))

    async def _colleagues(self, person: Principal) -> frozenset[str]:
        found: set[str] = set(await self._heads_of(person.department))
        for unit in person.units:
            if not unit:
                continue
            key = person.department, unit
            if key not in self._units:
                near = await lookup.unit_people(self._tx, *key, self._limits.roster)
                self._units[key] = frozenset(each.address for each in near if not each.disabled)
            found |= self._units[key]
        return frozenset(found - {person.address})

    async def _heads_of(self, department: int) -> frozenset[str]:
        if department not in self._heads:
            heads = await lookup.heads(self._tx, department, self._limits.roster)
            self._heads[department] = frozenset(each.address for each in heads if not each.disabled)
        return self._heads[department]

    async def _name(self, number: int) -> str | None:
        """The address, or "" where it has none; None for what is of a department of which nothing is told."""
        if number not in self._names:
            found = await lookup.by_id(self._tx, number)
            is_told = found is None or self._limits.admits(found.department)
            self._names[number] = (found.address if found is not None else "") if is_told else None
        return self._names[number]

    async def _grants(self, grantee: int) -> list[tuple[str, str, str]]:
        if grantee not in self._granted:
            rows = await self._tx.rows(
                "SELECT g.owner, g.rights, c.kind, c.name FROM grant_ g LEFT JOIN collection c"
                " ON c.owner = g.owner AND c.id = g.collection WHERE g.grantee = ?"
                " AND (g.owner <> g.grantee OR c.role IS NULL OR c.role <> ?)",
                grantee,
                unit_books.NAME,  # that a unit reads its own book is no news
            )
            self._granted[grantee] = [
                (
                    kind or "",
                    f"{whose or owner} {kind or '*'}{'/' + name if name else ''}",
                    serialise_rights(Rights(rights)),
                )
                for owner, rights, kind, name in rows
                if (whose := await self._name(owner)) is not None
            ]
        return self._granted[grantee]


def _differences(
    before: Mapping[str, _Facts], after: Mapping[str, _Facts]
) -> dict[str, list[dict[str, Any]]]:
    """By kind, for whom something is different."""
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    nothing: frozenset[str] = frozenset()
    for address in sorted(before.keys() | after.keys()):
        old, new = before.get(address, {}), after.get(address, {})
        for kind in KINDS:
            gained = sorted(new.get(kind, nothing) - old.get(kind, nothing))
            lost = sorted(old.get(kind, nothing) - new.get(kind, nothing))
            if gained or lost:
                found[kind].append(_difference(kind, address, gained, lost))
    return found


def _difference(kind: str, address: str, gained: list[str], lost: list[str]) -> dict[str, Any]:
    if kind == "address_books":  # a card's bytes say nothing to people
        state = "changed" if gained and lost else "added" if gained else "removed"
        return {"address": address, "book": (gained or lost)[0].partition(" ")[0], "card": state}
    return {
        "address": address,
        "gains": len(gained),
        "gained": gained[:NAMED],
        "loses": len(lost),
        "lost": lost[:NAMED],
    }
