# SPDX-License-Identifier: Apache-2.0
"""A whole .ics file taken apart into objects that can be stored, for import.

Each object holds the components of one UID, the time zones it names and the file's own PRODID and
CALSCALE. A file that already is one object stays as it is, byte for byte. METHOD and what describes the
calendar as a whole (X-WR-CALNAME, NAME …) are left out. One bad object does not spoil the others.
COMPAT files of several VCALENDARs, and of bare components without any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from armgs_server.errors import Invalid
from armgs_server.formats.contentline import (
    ContentLine,
    line_number,
    parameters,
    scan_tolerantly,
    serialise,
)
from armgs_server.formats.icalendar import STORED, CalendarObject, Malformed, check, check_lines

PRODID = "-//armgs_server//import//EN"
_KEPT = ("PRODID", "CALSCALE")
# A component at the top of its calendar: where it begins among the file's lines, and where it ends.
Block = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Part:
    """One object of the file, checked."""

    data: bytes
    object: CalendarObject
    line: int  # where it begins in the file


@dataclass(frozen=True, slots=True)
class Split:
    parts: list[Part]
    refused: list[Invalid]  # each with the line of the file


def split(data: bytes) -> Split:
    """All objects of a file; never raises for what a file may hold."""
    try:
        return Split([Part(data, check(data), 1)], [])
    except Invalid:
        pass  # not one whole object: the reasons are found part by part
    try:
        lines = scan_tolerantly(data)
    except Invalid as error:
        return Split([], [error])
    parts: list[Part] = []
    refused: list[Invalid] = []
    for calendar in _calendars(lines):
        for header, blocks in _groups(lines, calendar):
            order = [*header, *(index for start, end in blocks for index in range(start, end + 1))]
            first = line_number(data, blocks[-1][0])
            try:
                parts.append(_part(lines, order, first))
            except Malformed as error:
                index = next((index for index in order if lines[index] is error.line), blocks[-1][0])
                refused.append(Invalid(str(error), line_number(data, index)))
    if not parts and not refused:
        refused.append(Invalid("nothing to import: no event, task or journal entry", 1))
    return Split(parts, refused)


def _part(lines: Sequence[ContentLine], order: Sequence[int], first: int) -> Part:
    chosen = [lines[index] for index in order]
    for line in chosen:
        if not line[0]:
            raise Malformed("not a content line (NAME:value)", line)
    names = {line[0] for line in chosen[: _header_size(chosen)]}
    added = [("VERSION", "", "2.0")] + ([] if "PRODID" in names else [("PRODID", "", PRODID)])
    whole = [("BEGIN", "", "VCALENDAR"), *added, *chosen, ("END", "", "VCALENDAR")]
    return Part(serialise(whole), check_lines(whole), first)


def _header_size(chosen: Sequence[ContentLine]) -> int:
    return next((index for index, line in enumerate(chosen) if line[0] == "BEGIN"), len(chosen))


def _calendars(lines: Sequence[ContentLine]) -> Iterator[range]:
    """The lines of each VCALENDAR, its BEGIN and END left out; what lies between them is one more."""
    start = 0
    for index, line in enumerate(lines):
        if line[0] in ("BEGIN", "END") and line[2].strip().upper() == "VCALENDAR":
            if index > start:
                yield range(start, index)
            start = index + 1
    if start < len(lines):
        yield range(start, len(lines))


def _groups(lines: Sequence[ContentLine], calendar: range) -> Iterator[tuple[list[int], list[Block]]]:
    """For each UID: the header lines to keep, and the components with the zones they name before them."""
    blocks = list(_blocks(lines, calendar))
    inside = {index for start, end in blocks for index in range(start, end + 1)}
    header = [index for index in calendar if index not in inside and lines[index][0] in _KEPT]
    zones = {
        line[2].strip(): block
        for block in blocks
        if lines[block[0]][2].strip().upper() == "VTIMEZONE"
        for line in _lines(lines, block)
        if line[0] == "TZID"
    }
    groups: dict[object, list[Block]] = {}
    for block in blocks:
        kind = lines[block[0]][2].strip().upper()
        if kind in STORED:
            uid = next((line[2].strip() for line in _lines(lines, block) if line[0] == "UID"), "")
            groups.setdefault((kind, uid) if uid else block, []).append(block)
    for members in groups.values():
        named = {tzid for block in members for line in _lines(lines, block) for tzid in _tzids(line)}
        yield header, [zones[tzid] for tzid in sorted(named & zones.keys())] + members


def _blocks(lines: Sequence[ContentLine], calendar: range) -> Iterator[Block]:
    """The components at the top; one that is never closed reaches to the calendar's end."""
    depth = 0
    start = 0
    for index in calendar:
        if lines[index][0] == "BEGIN":
            if depth == 0:
                start = index
            depth += 1
        elif lines[index][0] == "END" and depth:
            depth -= 1
            if depth == 0:
                yield start, index
    if depth:
        yield start, calendar[-1]


def _lines(lines: Sequence[ContentLine], block: Block) -> Iterable[ContentLine]:
    return lines[block[0] : block[1] + 1]


def _tzids(line: ContentLine) -> list[str]:
    return parameters(line[1]).get("TZID", []) if "TZID" in line[1].upper() else []
