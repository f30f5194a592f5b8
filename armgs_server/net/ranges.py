# SPDX-License-Identifier: Apache-2.0
"""Byte ranges (RFC 9110 §14.1.2), pure."""

import re

from armgs_server.errors import Invalid

_SPEC = re.compile(r"(\d*)-(\d*)")
_MOST_RANGES = 16  # more is taken for none: an attack, not a reader (RFC 9110 §14.2)


def parse_range(header: str | None, size: int) -> list[tuple[int, int]] | None:
    """The ranges [start, end) asked for of a body of `size` bytes.

    None when there is no range to honour: no header, another unit, a malformed or excessive one.
    Invalid when none of them can be satisfied: answer 416 with `Content-Range: bytes */SIZE`.
    """
    if header is None:
        return None
    unit, separator, specs = header.partition("=")
    if not separator or unit.strip().lower() != "bytes" or specs.count(",") >= _MOST_RANGES:
        return None
    ranges = []
    for spec in specs.split(","):
        match = _SPEC.fullmatch(spec.strip())
        if match is None or match[0] == "-" or len(match[0]) > 40:
            return None
        first, last = match[1], match[2]
        if first and last and int(last) < int(first):
            return None
        start = int(first) if first else max(size - int(last), 0)
        end = min(int(last) + 1, size) if first and last else size
        if start < end:
            ranges.append((start, end))
    if not ranges:
        raise Invalid("the range lies outside the content")
    return ranges


def content_range(start: int, end: int, size: int) -> str:
    """The Content-Range of one part [start, end)."""
    return f"bytes {start}-{end - 1}/{size}"
