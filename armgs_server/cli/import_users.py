# SPDX-License-Identifier: Apache-2.0
"""People from a CSV file (RFC 4180): columns by their header; the address is needed, all others may be
missing. A column that is not known here is left out and named."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from armgs_server.cli.output import Bar
from armgs_server.cli.report import Report, reason
from armgs_server.cli.workplace import Workplace
from armgs_server.directory import addressbook, people, structure
from armgs_server.directory.model import check_address
from armgs_server.directory.people import Credential
from armgs_server.directory.surroundings import Surroundings
from armgs_server.errors import DomainError, Invalid, NotFound, OverQuota, Temporary
from armgs_server.storage.tx import Tx

COLUMNS = ("address", "password", "name", "unit", "post", "head")
# What the address book shows of a person beside these.
DATA = ("telephone", "mobile", "family", "given", "additional")
AT_ONCE = 500  # rows in one transaction
Row: TypeAlias = dict[str, str]
Units: TypeAlias = dict[tuple[int, str], int | DomainError]  # why a unit cannot be made
_TRUE = ("1", "yes", "true", "да")


async def run(workplace: Workplace, file: Path, *, is_taken_over: bool = False) -> Report:
    """Adds one person a row; a row that cannot be taken is reported, the next one goes on. With
    `is_taken_over` passwords need not be those that could be chosen here."""
    report = Report()
    header, rows = read(file)
    report.ignored = [f"{file}: column {name}" for name in header if name not in (*COLUMNS, *DATA)]
    with Bar("Adding people", len(rows)) as bar:
        for start in range(0, len(rows), AT_ONCE):
            part = [Newcomer(workplace, row) for _, row in rows[start : start + AT_ONCE]]
            await _hash(workplace, part, is_taken_over)
            try:
                await _add(workplace, part)
            except OverQuota:  # found when something of a row is written: nothing of the part is there
                for newcomer in part:
                    await _add_alone(workplace, newcomer)
            for (line, _), newcomer in zip(rows[start:], part, strict=False):
                if not newcomer.refusal:
                    report.accepted += 1
                else:
                    report.refuse(file, line, newcomer.refusal)
            bar.advance(len(part))
    return report


class Newcomer:
    """Who a row is about; `refusal` is why not, or ""."""

    def __init__(self, workplace: Workplace, row: Row) -> None:
        self.row = row
        self.refusal = ""
        self.address = ""
        self.department = 0
        self.credentials: Sequence[Credential] = ()
        try:
            self.address = check_address(row["address"])
            domain = self.address.rpartition("@")[2]
            self.department = workplace.directory.domains.get(domain, 0)
            if not self.department:
                raise Invalid(f"{domain} is not a domain of this server")
        except DomainError as error:
            self.refusal = reason(error)


async def _hash(workplace: Workplace, part: Sequence[Newcomer], is_taken_over: bool) -> None:
    """What is kept of the passwords, some at a time: each takes the memory and the time of a hash."""
    asked = [each for each in part if not each.refusal and each.row.get("password")]
    security = workplace.config.security

    async def hash_one(newcomer: Newcomer) -> None:
        password = newcomer.row["password"]
        rules, name = workplace.directory.new_passwords, newcomer.row.get("name", "")
        try:
            if not is_taken_over:
                await rules.of_newcomer(newcomer.address, name, password)
            newcomer.credentials = await workplace.directory.auth.passwords.credentials(password)
        except Invalid as error:
            newcomer.refusal = reason(error)

    for start in range(0, len(asked), security.hashes_at_once):
        await asyncio.gather(*map(hash_one, asked[start : start + security.hashes_at_once]))


async def _add(workplace: Workplace, part: Sequence[Newcomer]) -> None:
    """Those who can be taken, in one transaction."""

    async def work(tx: Tx) -> dict[int, str]:
        refusals: dict[int, str] = {}
        wanted = [(place, each) for place, each in enumerate(part) if not each.refusal]
        units = await _units(tx, [each for _, each in wanted])
        around = Surroundings()
        await around.note_addresses(tx, (each.address for _, each in wanted))
        for place, each in wanted:
            try:
                await _create(tx, workplace, each, units, around)
            except (OverQuota, Temporary):
                raise
            except DomainError as error:  # found before anything of the row is written
                refusals[place] = reason(error)
        return refusals

    for place, refusal in (await workplace.directory.apply(work)).items():
        part[place].refusal = refusal


async def _add_alone(workplace: Workplace, newcomer: Newcomer) -> None:
    try:
        await _add(workplace, [newcomer])
    except OverQuota as error:
        newcomer.refusal = reason(error)


async def _create(
    tx: Tx, workplace: Workplace, newcomer: Newcomer, units: Units, around: Surroundings
) -> None:
    row = newcomer.row
    name = row.get("unit", "")
    unit = units[newcomer.department, name.casefold()] if name else 0
    if isinstance(unit, DomainError):
        raise unit
    await people.create(
        tx,
        newcomer.address,
        row.get("name", ""),
        unit=unit,
        post=row.get("post", ""),
        head=row.get("head", "").lower() in _TRUE,
        data={key: row[key] for key in DATA if row.get(key)},
        credentials=newcomer.credentials,
        quota=workplace.config.limits.quota,
        around=around,
    )


async def _units(tx: Tx, part: Sequence[Newcomer]) -> Units:
    """The units that are named, by department and name in one case; those that are missing are made."""
    found: Units = {}
    for department in dict.fromkeys(each.department for each in part):
        names = [each.row.get("unit", "") for each in part if each.department == department]
        rows = await tx.rows(
            "SELECT name, id FROM principal WHERE department = ? AND kind = 'unit' ORDER BY id DESC",
            department,
        )
        found |= {(department, name.casefold()): number for name, number in rows}
        made = False
        for name in names:
            if name and (department, name.casefold()) not in found:
                try:
                    unit = await structure.add_unit(tx, department, name, 0, "", {})
                    found[department, name.casefold()], made = unit.id, True
                except Invalid as error:  # found before anything is written
                    found[department, name.casefold()] = error
        if made:
            await addressbook.put_heads(tx, department, {0})
    return found


def read(file: Path) -> tuple[list[str], list[tuple[int, Row]]]:
    """The header, and the rows with their line numbers; Invalid where there is no address."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NotFound(f"{file} does not exist") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Invalid(f"{file} is not UTF-8", line) from error
    lines = text.splitlines()
    if not lines:
        raise Invalid(f"{file} is empty", 1)
    # COMPAT Excel: it writes semicolons where the comma is the decimal sign.
    delimiter = ";" if lines[0].count(";") > lines[0].count(",") else ","
    reader = csv.DictReader(text.splitlines(keepends=True), delimiter=delimiter, restval="", strict=True)
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    if "address" not in reader.fieldnames:
        raise Invalid(f"{file} has no column `address` in its header", 1)
    header = list(reader.fieldnames)
    rows = []
    begin = reader.line_num + 1
    try:
        for row in reader:
            if None in row:
                raise Invalid(f"{file}: more fields than the header has", begin)
            rows.append(
                (begin, {key: value.strip() if key != "password" else value for key, value in row.items()})
            )
            begin = reader.line_num + 1
    except csv.Error as error:
        raise Invalid(f"{file}: {error}", begin) from error
    return header, rows
