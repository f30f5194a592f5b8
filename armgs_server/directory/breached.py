# SPDX-License-Identifier: Apache-2.0
"""A list of passwords that others know (NIST SP 800-63B §3.1.1.2): whether one stands in it.

Two forms: SHA-1 sums in hexadecimal and in order, one a line, a colon and a count behind them or not (as Have
I Been Pwned gives out; tens of gigabytes are searched in some thirty steps); or the passwords themselves, one
a line in UTF-8, in any order, which are read through: for lists of some megabytes. It blocks.
"""

from __future__ import annotations

import hashlib
import mmap
import re
from pathlib import Path
from typing import Final

_DIGEST: Final = re.compile(rb"([0-9A-Fa-f]{40})(:[0-9]+)?\r?\n?")
_LINE: Final = 128  # bytes: no line of digests is longer


def is_listed(file: Path, password: str) -> bool:
    """OSError where the file cannot be read."""
    with file.open("rb") as opened:
        if not file.stat().st_size:
            return False
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if _DIGEST.fullmatch(data[: data.find(b"\n") + 1 or _LINE]):
                digest = hashlib.sha1(password.encode("utf-8", "replace"), usedforsecurity=False)
                return _has_digest(data, digest.hexdigest().upper().encode())
            return _has_line(data, password.encode("utf-8", "replace"))


def _has_digest(data: mmap.mmap, wanted: bytes) -> bool:
    """Binary search by bytes: each step looks at the line in which its middle lies."""
    low, high = 0, len(data)
    while low < high:
        middle = (low + high) // 2
        begin = data.rfind(b"\n", max(low, middle - _LINE), middle) + 1 or low
        end = data.find(b"\n", middle, middle + _LINE)
        end = high if end < 0 else end
        found = data[begin : begin + len(wanted)].upper()
        if found == wanted:
            return True
        if found < wanted:
            low = end + 1
        else:
            high = begin
    return False


def _has_line(data: mmap.mmap, wanted: bytes) -> bool:
    place = data.find(wanted)
    while place >= 0:
        end = place + len(wanted)
        is_begin = place == 0 or data[place - 1] == 0x0A
        if is_begin and (end == len(data) or data[end : end + 1] in (b"\n", b"\r")):
            return True
        place = data.find(wanted, place + 1)
    return False
