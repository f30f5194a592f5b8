# SPDX-License-Identifier: Apache-2.0
"""Calendar objects put together into one file, their bytes as they are: the inverse of `icalendar_split`.

An object that is stored was checked when it came, so its components are found by their lines alone. Each
time zone is in the file once, as the first object has it, before the first component that names it.
"""

from __future__ import annotations

import re

from armgs_server.formats.contentline import ContentLine, escape, serialise

PRODID = "-//armgs_server//CalDAV//EN"
END = b"END:VCALENDAR\r\n"
# RFC 5545 §3.1 lets a line be folded within its name.
_FOLDED_NAME = re.compile(rb"^(?:B(?:E(?:G(?:IN?)?)?)?|E(?:ND?)?)\r?\n[ \t]", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(rb"\r?\n[ \t]")


def head(name: str) -> bytes:
    """The begin of a file with the name of the calendar (RFC 7986 §5.1, and as programs had it before)."""
    lines: list[ContentLine] = [
        ("BEGIN", "", "VCALENDAR"),
        ("VERSION", "", "2.0"),
        ("PRODID", "", PRODID),
        ("CALSCALE", "", "GREGORIAN"),
        ("NAME", "", escape(name)),
        ("X-WR-CALNAME", "", escape(name)),
    ]
    return serialise(lines)


def members(data: bytes, zones: set[bytes]) -> bytes:
    """The components of an object without the time zones in `zones`, to which its own are added."""
    if _FOLDED_NAME.search(data):
        data = _FOLD.sub(b"", data)
    made: list[bytes] = []
    part: list[bytes] = []
    depth = 0
    for line in data.splitlines():
        if not line.strip():
            continue
        word = line[:6].upper()
        depth += word == b"BEGIN:"
        if depth > 1:
            part.append(line)
        if word.startswith(b"END:"):
            if depth == 2:
                if _is_wanted(part, zones):
                    made += part
                part = []
            depth -= 1
    return b"".join(line + b"\r\n" for line in made)


def _is_wanted(part: list[bytes], zones: set[bytes]) -> bool:
    if part[0][6:].strip().upper() != b"VTIMEZONE":
        return True
    whole = _FOLD.sub(b"", b"\n".join(part))
    tzid = next((line[4:] for line in whole.split(b"\n") if line[:4].upper() == b"TZID"), b"")
    is_new = tzid not in zones
    zones.add(tzid)
    return is_new
