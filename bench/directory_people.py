# SPDX-License-Identifier: Apache-2.0
"""A ministry as tables: a department of so many people in a tree of units, each unit with a head.

The same for each run. Names are of the kind that people have: half of them share 26 family names.
"""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.common import address

PEOPLE = int(os.environ.get("BENCH_PEOPLE", "100000"))
UNITS = max(PEOPLE * 3 // 100, 4)
CHILDREN = 8  # units below each
COMMON = "иван"  # in the names of a third
_FAMILIES = (
    "Иванов Петров Сидоров Кузнецов Смирнов Попов Васильев Соколов Михайлов Новиков Фёдоров Морозов Волков"
    " Алексеев Лебедев Семёнов Егоров Павлов Козлов Степанов Николаев Орлов Андреев Макаров Никитин Захаров"
).split()
_SYLLABLES = "ра бо ни ков ту хин ми ле чен го за ду ва шин пе ры жа ко ло фе".split()
_GIVEN = "Иван Пётр Анна Мария Сергей Алексей Ольга Елена Дмитрий Наталья Татьяна Юрий".split()
_MIDDLE = "Иванович Петрович Сергеевна Алексеевна Юрьевич".split()
_POSTS = ("Специалист", "Ведущий специалист", "Главный специалист", "Консультант")


@dataclass(frozen=True, slots=True)
class Person:
    """One row of the table; `unit` is a place in the list of units."""

    address: str
    name: str
    family: str
    given: str
    unit: int
    post: str
    is_head: bool
    telephone: str


def people() -> Iterator[Person]:
    """Everybody; the first ones lead the units."""
    chance = random.Random(7)
    for number in range(PEOPLE):
        if chance.random() < 0.5:
            family = chance.choice(_FAMILIES)
        else:
            family = "".join(chance.choices(_SYLLABLES, k=3)).capitalize() + "ов"
        given, middle, post = chance.choice(_GIVEN), chance.choice(_MIDDLE), chance.choice(_POSTS)
        yield Person(
            address(number),
            f"{family} {given} {middle}",
            family,
            given,
            number % UNITS,
            "Начальник отдела" if number < UNITS else post,
            number < UNITS,
            f"+7 495 {number // 10000:03}-{number // 100 % 100:02}-{number % 100:02}",
        )


def rare_families() -> list[str]:
    """Some names that few have."""
    return sorted({each.family for each in people() if each.family not in _FAMILIES})[:200]


def write_tables(folder: Path) -> tuple[Path, Path]:
    """units.csv and people.csv, as `armgs sync` reads them."""
    units, table = folder / "units.csv", folder / "people.csv"
    with units.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("code", "name", "parent"))
        for unit in range(UNITS):
            parent = f"u{(unit - 1) // CHILDREN}" if unit else ""
            writer.writerow((f"u{unit}", f"Отдел {unit} {'учёта' if unit % 3 else 'планирования'}", parent))
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("address", "name", "unit", "post", "head", "telephone", "family", "given"))
        for each in people():
            head = "да" if each.is_head else ""
            unit_code = f"u{each.unit}"
            writer.writerow(
                (each.address, each.name, unit_code, each.post, head, each.telephone, each.family, each.given)
            )
    return units, table


def write_ldif(file: Path, suffix: str) -> None:
    """The same people for another LDAP server, as it is given them offline (RFC 2849)."""
    with file.open("w") as out:
        domain = suffix.split(",")[0].removeprefix("dc=")
        out.write(
            f"dn: {suffix}\nobjectClass: dcObject\nobjectClass: organization\ndc: {domain}\no: Bench\n\n"
        )
        out.write(f"dn: ou=people,{suffix}\nobjectClass: organizationalUnit\nou: people\n\n")
        for each in people():
            out.write(
                f"dn: uid={each.address},ou=people,{suffix}\nobjectClass: inetOrgPerson\n"
                f"uid: {each.address}\ncn: {each.name}\nsn: {each.family}\ngivenName: {each.given}\n"
                f"mail: {each.address}\ntitle: {each.post}\ntelephoneNumber: {each.telephone}\n"
                f"ou: Unit {each.unit}\n\n"
            )
