# SPDX-License-Identifier: Apache-2.0
"""Responses: status indicators and multi-line responses (RFC 1939 §3), codes (RFC 2449 §8, RFC 3206).

A message goes out in the pieces it is read in: `DotStuffing` needs no lines, only the octet before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

END = b".\r\n"
_UNSAFE = re.compile(r"[^\x20-\x7e]")
# RFC 2449 §8.1.1, RFC 3206 §2, RFC 6856 §2
AUTH, IN_USE, SYS_PERM, SYS_TEMP, UTF8 = "AUTH", "IN-USE", "SYS/PERM", "SYS/TEMP", "UTF8"


class Pop3Error(Exception):
    """A negative response; `code` is the response code without its brackets."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def ok(text: str) -> bytes:
    """A positive response."""
    return f"+OK {_UNSAFE.sub('?', text)}\r\n".encode("ascii")


def err(text: str, code: str = "") -> bytes:
    """A negative response."""
    bracketed = f"[{code}] " if code else ""
    return f"-ERR {bracketed}{_UNSAFE.sub('?', text)}\r\n".encode("ascii")


def listing(text: str, lines: Iterable[str]) -> bytes:
    """A multi-line response of lines none of which begins with a dot."""
    return b"".join([ok(text), *(f"{line}\r\n".encode("ascii") for line in lines), END])


class DotStuffing:
    """RFC 1939 §3: a line that begins with the termination octet gets another one before it.

    A bare LF counts as the end of a line, for most clients take it for one: a dot behind it that stood alone
    would end the message there.
    """

    def __init__(self) -> None:
        self._at_line_start = True

    def stuff(self, data: bytes) -> bytes:
        """The next piece as it goes out."""
        if not data:
            return b""
        stuffed = data.replace(b"\n.", b"\n..") if b"\n." in data else data
        if self._at_line_start and data.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = data.endswith(b"\n")
        return stuffed

    def end(self) -> bytes:
        """The termination; a last line without an end gets one."""
        return END if self._at_line_start else b"\r\n" + END


class Head:
    """TOP (RFC 1939 §7): the header with its blank line, and so many lines of the body."""

    def __init__(self, header_size: int, lines: int) -> None:
        self._header_left = header_size
        self._lines_left = lines

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is wanted."""
        return self._header_left <= 0 and self._lines_left <= 0

    def cut(self, data: bytes) -> bytes:
        """What of the next piece belongs to it."""
        end = min(self._header_left, len(data))
        self._header_left -= end
        if self._header_left:
            return data
        while self._lines_left > 0 and end < len(data):
            found = data.find(b"\n", end)
            if found < 0:
                return data
            self._lines_left -= 1
            end = found + 1
        return data[:end]
