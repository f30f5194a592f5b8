# SPDX-License-Identifier: Apache-2.0
"""People found by name, unit, post, telephone or address, among those whom the asker may look up.

A department's people may be found by who may read its address book. Letters of either case are the same, so
are ё and е; of a telephone only the digits count. What is compared is kept per department until the
directory's own list of its people is another one.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from armgs_server.directory.access import Rights
from armgs_server.directory.addressbook import NAME
from armgs_server.directory.directory import Directory
from armgs_server.directory.model import Principal
from armgs_server.formats.stream_safe import stream_safe

# What may be asked for; `name` is the whole name, `any` all of them together.
FIELDS = ("any", "name", "first", "last", "nick", "email", "unit", "post", "telephone")
_NOT_IN_NUMBER = re.compile(r"[^\d\s+().-]")
_AT_ONCE = 1000  # people looked at before others have their turn


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
class _Listed:
    people: list[Principal]  # the directory's own lists: others when anything has changed
    units: list[Principal]
    found: list[Found]


class PeopleSearch:
    """One for each process."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._listed: dict[int, _Listed] = {}

    async def find(self, asker: Principal, wanted: Mapping[str, str]) -> list[Found]:
        """Those in use of whom every field contains every word that is wanted of it, by name."""
        asked = [(FIELDS.index(name), _words(name, text)) for name, text in wanted.items()]
        found: list[Found] = []
        for department in await visible_departments(self._directory, asker):
            listed = await self._people(department)
            for start in range(0, len(listed), _AT_ONCE):
                part = listed[start : start + _AT_ONCE]
                found += [each for each in part if _matches(each, asked)]
                await asyncio.sleep(0)
        return sorted(found, key=lambda each: (each.texts[FIELDS.index("name")], each.person.address))

    async def _people(self, department: int) -> list[Found]:
        people, units = await self._directory.people(department), await self._directory.units(department)
        known = self._listed.get(department)
        if known is not None and known.people is people and known.units is units:
            return known.found
        names = {unit.id: unit.name for unit in units}
        found: list[Found] = []
        for start in range(0, len(people), _AT_ONCE):
            part = (person for person in people[start : start + _AT_ONCE] if not person.disabled)
            found += [_found(person, names.get(person.unit, "")) for person in part]
            await asyncio.sleep(0)
        self._listed[department] = _Listed(people, units, found)
        return found


async def visible_departments(directory: Directory, asker: Principal) -> list[int]:
    """The departments whose address book the asker may read."""
    access = directory.access
    books = [book for book in await access.shared_with(asker, "addressbook") if book.role == NAME]
    return [book.owner for book in books if Rights.READ in await access.rights(asker, book)]


def fold(text: str) -> str:
    """The form in which texts are compared."""
    return unicodedata.normalize("NFKC", stream_safe(text)).casefold().replace("ё", "е")


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
