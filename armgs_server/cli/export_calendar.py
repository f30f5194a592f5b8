# SPDX-License-Identifier: Apache-2.0
"""Many calendar object resources as one file that other programs import. Pure.

All components go into one VCALENDAR, each time zone once; where two objects define a zone of the same name
differently, another VCALENDAR begins: a stream may hold several (RFC 5545 §3.4).
"""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server import __version__
from armgs_server.formats.contentline import ContentLine, scan_tolerantly, serialise

_BEGIN: tuple[ContentLine, ...] = (
    ("BEGIN", "", "VCALENDAR"),
    ("VERSION", "", "2.0"),
    ("PRODID", "", f"-//armgs_server//{__version__}//EN"),
)
_END: ContentLine = ("END", "", "VCALENDAR")


def merge(objects: Sequence[bytes]) -> bytes:
    """The components of all objects; an empty calendar for none."""
    lines: list[ContentLine] = list(_BEGIN)
    zones: dict[str, list[ContentLine]] = {}
    for data in objects:
        blocks = _components(scan_tolerantly(data))
        own = {_tzid(block): block for block in blocks if block[0][2].strip().upper() == "VTIMEZONE"}
        if any(name in zones and zones[name] != block for name, block in own.items()):
            lines += [_END, *_BEGIN]
            zones = {}
        for name, block in own.items():
            if name not in zones:
                zones[name] = block
                lines += block
        for block in blocks:
            if block[0][2].strip().upper() != "VTIMEZONE":
                lines += block
    return serialise([*lines, _END])


def _components(lines: Sequence[ContentLine]) -> list[list[ContentLine]]:
    """The components directly below VCALENDAR, each with its BEGIN and END."""
    blocks: list[list[ContentLine]] = []
    depth = 0
    for line in lines:
        if line[0] == "BEGIN":
            depth += 1
            if depth == 2:
                blocks.append([])
        if depth >= 2:
            blocks[-1].append(line)
        if line[0] == "END":
            depth -= 1
    return blocks


def _tzid(block: Sequence[ContentLine]) -> str:
    return next((line[2] for line in block if line[0] == "TZID"), "")
