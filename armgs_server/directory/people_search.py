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

from armgs_server.directory.access import Rights
from armgs_server.directory.addressbook import NAME
from armgs_server.directory.cache import Cache
from armgs_server.directory.candidates import Has, both, candidates
from armgs_server.directory.directory import Directory
from armgs_server.directory.index_block import fold
from armgs_server.directory.model import Principal

# What may be asked for; `name` is the whole name, `any` all of them together.
FIELDS = ("any", "name", "first", "last", "nick", "email", "unit", "post", "telephone")
_NOT_IN_NUMBER = re.compile(r"[^\d\s+().-]")
_AT_ONCE = 200  # people or blocks of the index looked at before others have their turn


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


class PeopleSearch:
    """One for each process."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._known: Cache[int, Found] = Cache(directory.config.security.directory_cache)
        self._generation = -1  # of the index when they were made

    async def find(self, asker: Principal, wanted: Mapping[str, str]) -> list[Found]:
        """Those in use of whom every field contains every word that is wanted of it, by name."""
        asked = [(FIELDS.index(name), _words(name, text)) for name, text in wanted.items()]
        if not all(words for _, words in asked):
            return []
        departments = frozenset(await visible_departments(self._directory, asker))
        index = self._directory.index
        await index.refresh()
        need = both([Has(word) for _, words in asked for word in words])
        found: list[Found] = []
        waiting: list[int] = []
        for count, part in enumerate(candidates(index, need, -1), 1):
            waiting += [
                line.id for _, line in part if line.kind == "person" and line.department in departments
            ]
            if len(waiting) >= _AT_ONCE or count % _AT_ONCE == 0:
                found += [each for each in await self._found(waiting) if _matches(each, asked)]
                waiting = []
                await asyncio.sleep(0)
        found += [each for each in await self._found(waiting) if _matches(each, asked)]
        return sorted(found, key=lambda each: (each.texts[FIELDS.index("name")], each.person.address))

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


def _matches(found: Found, asked: list[tuple[int, list[str]]]) -> bool:
    return all(words and all(word in found.texts[number] for word in words) for number, words in asked)


def _words(name: str, text: str) -> list[str]:
    """COMPAT Psi, Gajim: an asterisk for any end of a word is what a part of a word means here anyway."""
    if name == "telephone" or (name == "any" and not _NOT_IN_NUMBER.search(text)):
        return [digits] if (digits := _digits(text)) else []
    return fold(text).replace("*", " ").split()


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdecimal())
