# SPDX-License-Identifier: Apache-2.0
"""Tables of people and units in CSV (RFC 4180), as another system writes them: rows with their places.

What is wrong is told with line and column. A file that cannot be divided into fields is refused whole; a row
whose fields are not as many as the header's is refused alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from armgs_server.errors import Invalid


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row is not taken. `column` counts from 1; 0: the whole row."""

    file: str
    line: int
    column: int
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" + (f", column {self.column}" if self.column else "")
        return f"{place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Row:
    """Fields by the header's names, without spaces around them."""

    line: int
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A file that could be read."""

    file: str
    header: Sequence[str]
    rows: Sequence[Row]
    refusals: Sequence[Refusal]

    def refuse(self, row: Row, column: str, reason: str) -> Refusal:
        """What is wrong, with its place."""
        number = self.header.index(column) + 1 if column in self.header else 0
        return Refusal(self.file, row.line, number, reason)


def parse_table(data: bytes, file: str, needed: Sequence[str]) -> Table:
    """Invalid, with the line, where it is no table, or has no such columns."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"{file} is not UTF-8", data[: error.start].count(b"\n") + 1) from error
    if "\x00" in text:
        raise Invalid(f"{file}: a NUL in the text", text[: text.index("\x00")].count("\n") + 1)
    first = text.partition("\n")[0]
    # COMPAT Excel: it writes semicolons where the comma is the decimal sign.
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines = _numbered(reader, file)
    _, names = next(lines, (1, []))
    header = [name.strip().lower() for name in names]
    missing = [name for name in needed if name not in header]
    if missing or len(set(header)) != len(header):
        raise Invalid(f"{file}: the header has no {missing[0]}" if missing else f"{file}: a column twice", 1)
    rows, refusals = [], []
    for line, fields in lines:
        if not fields:
            continue
        if len(fields) != len(header):
            refusals.append(
                Refusal(
                    file, line, min(len(fields), len(header)) + 1, f"{len(fields)} fields, not {len(header)}"
                )
            )
        else:
            values = (field.strip() for field in fields)
            rows.append(Row(line, dict(zip(header, values, strict=True))))
    return Table(file, header, rows, refusals)


def _numbered(reader: Iterator[list[str]], file: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line it begins in."""
    line = 1
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Invalid(f"{file}: {error}", line) from error
        yield line, fields
        line = reader.line_num + 1  # type: ignore[attr-defined]
