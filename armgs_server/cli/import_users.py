# SPDX-License-Identifier: Apache-2.0
"""People from a CSV file (RFC 4180): columns by their header; the address is needed, all others may be
missing. A column that is not known here is left out and named."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import TypeAlias

from armgs_server.cli.output import Bar
from armgs_server.cli.report import Report, reason
from armgs_server.cli.users import create
from armgs_server.cli.workplace import Workplace
from armgs_server.errors import DomainError, Invalid, NotFound, Temporary

COLUMNS = ("address", "password", "name", "unit", "post", "head")
# What the address book shows of a person beside these.
DATA = ("telephone", "mobile", "family", "given", "additional")
Row: TypeAlias = dict[str, str]
_TRUE = ("1", "yes", "true", "да")


async def run(workplace: Workplace, file: Path) -> Report:
    """Adds one person a row; a row that cannot be taken is reported, the next one goes on."""
    report = Report()
    header, rows = read(file)
    report.ignored = [f"{file}: column {name}" for name in header if name not in (*COLUMNS, *DATA)]
    at_once = workplace.config.security.hashes_at_once
    with Bar("Adding people", len(rows)) as bar:
        for start in range(0, len(rows), at_once):
            part = rows[start : start + at_once]
            for _, row in part:  # first, so that two people of one new unit do not make it twice
                await _open_unit(workplace, row)
            outcomes = await asyncio.gather(*(_add(workplace, row) for _, row in part))
            for (line, _), refusal in zip(part, outcomes, strict=True):
                if refusal is None:
                    report.accepted += 1
                else:
                    report.refuse(file, line, refusal)
            bar.advance(len(part))
    return report


async def _open_unit(workplace: Workplace, row: Row) -> None:
    department = workplace.directory.domains.get(row["address"].rpartition("@")[2].lower())
    if department is not None:
        await workplace.unit(department, row.get("unit", ""))


async def _add(workplace: Workplace, row: Row) -> str | None:
    """Adds one person; the reason where that is refused."""
    try:
        await create(
            workplace,
            row["address"],
            row.get("password") or None,
            row.get("name", ""),
            row.get("unit", ""),
            row.get("post", ""),
            row.get("head", "").lower() in _TRUE,
            {key: row[key] for key in DATA if row.get(key)},
        )
    except Temporary:
        raise
    except DomainError as error:
        return reason(error)
    return None


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
