# SPDX-License-Identifier: Apache-2.0
"""The hash of a message's body in its canonical forms (RFC 6376 §3.4.3, §3.4.4), in bounded memory.

A body is taken in pieces that end where no blank or line end is, so each piece is canonical by itself;
only the blanks and line ends at its edge wait for what follows.
"""

from __future__ import annotations

import hashlib
import re
from mmap import mmap

PIECE = 1024 * 1024

_BLANKS = re.compile(rb"[ \t]+")
_LINE_ENDS = b"\r\n"


class Bodies:
    """The body of one message; each form is hashed once, however many signatures ask for it."""

    def __init__(self, text: bytes | mmap, start: int) -> None:
        self._text = text
        self._start = start
        self._hashes: dict[str, tuple[bytes, int]] = {}

    def sha256(self, canonicalization: str) -> tuple[bytes, int]:
        """The hash and the length of the canonical body."""
        if canonicalization not in self._hashes:
            self._hashes[canonicalization] = _hash(self._text, self._start, canonicalization == "relaxed")
        return self._hashes[canonicalization]


def _hash(text: bytes | mmap, start: int, is_relaxed: bool) -> tuple[bytes, int]:
    digest = hashlib.sha256()
    size = 0
    edge = b""
    for position in range(start, len(text), PIECE):
        piece = edge + text[position : position + PIECE]
        end = len(piece.rstrip(b" \t\r\n"))
        edge = piece[end:]
        canonical = _relax(piece[:end]) if is_relaxed else piece[:end]
        digest.update(canonical)
        size += len(canonical)
    last = _relax(edge).removesuffix(b" ") if is_relaxed else edge
    while last.endswith(_LINE_ENDS):
        last = last[:-2]
    if size or last or not is_relaxed:  # RFC 6376 §3.4.3: an empty body is CRLF; §3.4.4: or nothing
        last += _LINE_ENDS
    digest.update(last)
    return digest.digest(), size + len(last)


def _relax(data: bytes) -> bytes:
    """Blanks become one space, and none before a line end."""
    if b"\t" in data or b"  " in data:
        data = _BLANKS.sub(b" ", data)
    return data.replace(b" \r\n", b"\r\n")
