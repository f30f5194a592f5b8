# SPDX-License-Identifier: Apache-2.0
"""People found by name, unit, post, telephone or address, among those whom the asker may look up.

A department's people may be found by who may read its address book. Letters of either case are the same, so
are ё and е; of a telephone only the digits count. The index says who may fit; those are compared exactly.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from armgs_server.directory.access import Rights
from armgs_server.directory.addressbook import NAME
from armgs_server.directory.cache import Cache
from armgs_server.directory.candidates import Has, Need, both, candidates, candidates_backwards
from armgs_server.directory.directory import Directory
from armgs_server.directory.index_block import Line, fold
from armgs_server.directory.model import Principal
from armgs_server.errors import NotFound

# What may be asked for; `name` is the whole name, `any` all of them together.
FIELDS = ("any", "name", "first", "last", "nick", "email", "unit", "post", "telephone")
_NOT_IN_NUMBER = re.compile(r"[^\d\s+().-]")
_AT_ONCE = 200  # people or blocks of the index looked at before others have their turn
# So many candidates are all read, to be counted and put in the order of their names: 5 ms. Of more, which are
# a common name or one letter, only a page is read.
COUNTED: Final = 200
_NAME: Final = FIELDS.index("name")


@dataclass(frozen=True, slots=True)
class Found:
    """A person, with what a listing shows beside it."""

    person: Principal
    unit: str
    texts: tuple[str, ...]  # folded, in the order of FIELDS

    @property
    def first(self) -> str:
        return str(self.person.data.get("given", ""))

    @property
    def last(self) -> str:
        return str(self.person.data.get("family", ""))

    @property
    def telephone(self) -> str:
        return str(self.person.data.get("telephone") or self.person.data.get("mobile") or "")


@dataclass(frozen=True, slots=True)
class Page:
    """`count` is of all who were found; None where they are many, who are in no order of names then."""

    found: list[Found]
    count: int | None


class _Search(NamedTuple):
    departments: frozenset[int]
    asked: list[tuple[int, list[str]]]
    need: Need | None

    def reached(self, part: list[tuple[int, Line]]) -> list[int]:
        return [line.id for _, line in part if line.kind == "person" and line.department in self.departments]


class PeopleSearch:
    """One for each process."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._known: Cache[int, Found] = Cache(directory.config.security.directory_cache)
        self._generation = -1  # of the index when they were made

    async def find(
        self,
        asker: Principal,
        wanted: Mapping[str, str],
        limit: int,
        *,
        after: str = "",
        before: str | None = None,
    ) -> Page:
        """Those in use of whom every field contains every word that is wanted of it, at most `limit`.

        The page begins behind the address `after`, or ends in front of `before` ("": it is the last one).
        NotFound where nobody found has that address.
        """
        asked = [(FIELDS.index(name), _words(name, text)) for name, text in wanted.items()]
        if not all(words for _, words in asked):
            return _cut([], limit, after, before)
        await self._directory.index.refresh()
        search = _Search(
            frozenset(await visible_departments(self._directory, asker)),
            asked,
            both([Has(word) for _, words in asked for word in words]),
        )
        few = await self._few(search)
        if few is not None:
            found = [each for each in await self._found(few) if _matches(each, asked)]
            found.sort(key=lambda each: (each.texts[_NAME], each.person.address))
            return _cut(found, limit, after, before)
        return await self._some(search, limit, after, before)

    async def _few(self, search: _Search) -> list[int] | None:
        """Who may fit; None where that are more than are worth counting."""
        ids: list[int] = []
        for count, part in enumerate(candidates(self._directory.index, search.need, -1), 1):
            ids += search.reached(part)
            if len(ids) > COUNTED:
                return None
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return ids

    async def _some(self, search: _Search, limit: int, after: str, before: str | None) -> Page:
        """A page of many, in the order of the index; nothing beyond it is looked at."""
        index, mark = self._directory.index, after if before is None else before
        place = await self._place(mark, search) if mark else -1
        backwards = before is not None
        parts = (candidates_backwards if backwards else candidates)(index, search.need, place)
        found: list[Found] = []
        waiting: list[int] = []
        step = min(limit + 1, _AT_ONCE)
        for count, part in enumerate(parts, 1):
            waiting += search.reached(part)
            while len(found) < limit and len(waiting) >= step:
                found += await self._fitting(search, waiting[:step])
                waiting = waiting[step:]
            if len(found) >= limit:
                break
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
        if len(found) < limit:
            found += await self._fitting(search, waiting)
        shown = found[:limit]
        return Page(shown[::-1] if backwards else shown, None)

    async def _fitting(self, search: _Search, ids: list[int]) -> list[Found]:
        """In the order of the numbers."""
        found = {each.person.id: each for each in await self._found(ids) if _matches(each, search.asked)}
        await asyncio.sleep(0)
        return [found[each] for each in ids if each in found]

    async def _place(self, address: str, search: _Search) -> int:
        person = await self._directory.by_address(address)
        place = -1 if person is None else self._directory.index.contents.place(person.id)
        if person is None or place < 0 or not await self._fitting(search, [person.id]):
            raise NotFound()
        return place

    async def _found(self, ids: list[int]) -> list[Found]:
        """People with these numbers; who was found before is known until something changes."""
        index = self._directory.index
        if self._generation != index.generation:
            self._known.clear()
            self._generation = index.generation
        known = {each: found for each in ids if (found := self._known.get(each)) is not None}
        for person, _ in await index.read([each for each in ids if each not in known]):
            if not person.disabled:
                unit = index.units.get(person.unit)
                known[person.id] = made = _found(person, unit.name if unit is not None else "")
                self._known.put(person.id, made)
        return [*known.values()]


async def visible_departments(directory: Directory, asker: Principal) -> list[int]:
    """The departments whose address book the asker may read."""
    access = directory.access
    books = [book for book in await access.shared_with(asker, "addressbook") if book.role == NAME]
    return [book.owner for book in books if Rights.READ in await access.rights(asker, book)]


def _found(person: Principal, unit: str) -> Found:
    data, local = person.data, person.address.partition("@")[0]
    numbers = " ".join(_digits(str(data.get(key, ""))) for key in ("telephone", "mobile"))
    texts = {
        "name": fold(person.name),
        # Where the parts of the name are not known apart, any word of it may be either.
        "first": fold(str(data.get("given") or person.name)),
        "last": fold(str(data.get("family") or person.name)),
        "nick": fold(f"{local} {person.name}"),
        "email": fold(person.address),
        "unit": fold(unit),
        "post": fold(person.post),
        "telephone": numbers,
    }
    texts["any"] = "\n".join(texts[name] for name in ("name", "email", "unit", "post", "telephone"))
    return Found(person, unit, tuple(texts[name] for name in FIELDS))


def _cut(found: list[Found], limit: int, after: str, before: str | None) -> Page:
    """The page of a list that is whole."""
    positions = {each.person.address: number for number, each in enumerate(found)}
    mark = after if before is None else before
    if mark and mark not in positions:
        raise NotFound()
    if before is not None:
        end = positions[before] if before else len(found)
        return Page(found[max(end - limit, 0) : end], len(found))
    start = positions[after] + 1 if after else 0
    return Page(found[start : start + limit], len(found))


def _matches(found: Found, asked: list[tuple[int, list[str]]]) -> bool:
    return all(words and all(word in found.texts[number] for word in words) for number, words in asked)


def _words(name: str, text: str) -> list[str]:
    """COMPAT Psi, Gajim: an asterisk for any end of a word is what a part of a word means here anyway."""
    if name == "telephone" or (name == "any" and not _NOT_IN_NUMBER.search(text)):
        return [digits] if (digits := _digits(text)) else []
    return fold(text).replace("*", " ").split()


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdecimal())
