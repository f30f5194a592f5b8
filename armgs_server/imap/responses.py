# SPDX-License-Identifier: Apache-2.0
"""Responses: RFC 3501 §7, RFC 9051 §7, codes of RFC 5530, RFC 7162, RFC 4315.

Everything that goes to the client is made here or from bytes that `formats` made when a message arrived.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from armgs_server import errors
from armgs_server.errors import DomainError
from armgs_server.formats.envelope import nstring, string

__all__ = ["ImapError", "bad", "literal", "no", "nstring", "string"]

# Bits of storage.items.Flags in the order they are shown (RFC 9051 §2.3.2).
SYSTEM_FLAGS: tuple[tuple[int, bytes], ...] = (
    (1, rb"\Seen"),
    (2, rb"\Answered"),
    (4, rb"\Flagged"),
    (8, rb"\Deleted"),
    (16, rb"\Draft"),
)
# Shown, never kept: \Recent is of a session (RFC 3501 §2.3.2).
RECENT = 1 << 16
FLAG_BITS: Mapping[bytes, int] = {name.lower(): bit for bit, name in SYSTEM_FLAGS}
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_ASTRING_CHAR = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
_UNSAFE = re.compile(r"[^\x20-\x7e]")


class ImapError(Exception):
    """A tagged NO or BAD; `code` is the resp-text-code without its brackets."""

    def __init__(self, condition: bytes, text: str, code: str = "") -> None:
        super().__init__(text)
        self.condition = condition
        self.text = text
        self.code = code

    def line(self, tag: bytes) -> bytes:
        return status(tag, self.condition, self.text, self.code)


def no(text: str, code: str = "") -> ImapError:
    """The command is understood and cannot be done."""
    return ImapError(b"NO", text, code)


def bad(text: str) -> ImapError:
    """The command is not understood."""
    return ImapError(b"BAD", text)


def uid_required() -> ImapError:
    """Message numbers of a client that wants none (RFC 9586 §3.2)."""
    return ImapError(b"BAD", "this client has given up message numbers", "UIDREQUIRED")


# Domain error -> resp-text-code (RFC 5530 §3, RFC 9208 §4.3.1, RFC 7889 §4). The first match counts.
ERROR_CODES: tuple[tuple[type[DomainError], str], ...] = (
    (errors.NotFound, "NONEXISTENT"),
    (errors.AlreadyExists, "ALREADYEXISTS"),
    (errors.Denied, "NOPERM"),
    (errors.OverQuota, "OVERQUOTA"),
    (errors.TooLarge, "TOOBIG"),
    (errors.Conflict, "CANNOT"),
    (errors.Invalid, "CANNOT"),
    (errors.Temporary, "UNAVAILABLE"),
)


def from_domain(error: DomainError) -> ImapError:
    """The one place where a domain error becomes a NO."""
    code = next((code for kind, code in ERROR_CODES if isinstance(error, kind)), "")
    return no(error.text, code)


def status(tag: bytes, condition: bytes, text: str, code: str = "") -> bytes:
    """resp-cond-state with a tag, or untagged for b"*"."""
    bracketed = f"[{code}] " if code else ""
    shown = _UNSAFE.sub("?", bracketed + (text or "done"))
    return b"%b %b %b\r\n" % (tag, condition, shown.encode("ascii"))


def untagged(text: bytes) -> bytes:
    return b"* %b\r\n" % text


def literal(data: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(data), data)


def astring(value: bytes) -> bytes:
    """An atom where it is one."""
    return value if _ASTRING_CHAR.fullmatch(value) else string(value)


@lru_cache(maxsize=4096)
def flag_list(flags: int, keywords: str) -> bytes:
    """flag-list = "(" [flag *(SP flag)] ")" """
    names = [name for bit, name in SYSTEM_FLAGS if flags & bit]
    if flags & RECENT:
        names.append(rb"\Recent")
    if keywords:
        names.append(keywords.encode("ascii", "replace"))
    return b"(%b)" % b" ".join(names)


def defined_flags(keywords: Iterable[str]) -> bytes:
    """The flags of the FLAGS response: those of the system, and the mailbox's keywords (RFC 3501 §7.2.6)."""
    system = [name for _, name in SYSTEM_FLAGS]
    return b" ".join([*system, *(keyword.encode("ascii") for keyword in keywords)])


def internal_date(microseconds: int) -> bytes:
    """date-time of INTERNALDATE, in UTC."""
    seconds = microseconds // 1_000_000
    day, second = divmod(seconds, 86400)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return b'"%b %02d:%02d:%02d +0000"' % (_day(day), hour, minute, second)


@lru_cache(maxsize=4096)
def _day(number: int) -> bytes:
    date = datetime.fromtimestamp(number * 86400, UTC)
    return b"%2d-%b-%04d" % (date.day, _MONTHS[date.month - 1], date.year)


def number_set(numbers: Iterable[int]) -> bytes:
    """sequence-set of ascending numbers, runs folded."""
    pieces: list[bytes] = []
    first = last = 0
    for number in numbers:
        if number == last + 1 and first:
            last = number
            continue
        if first:
            pieces.append(b"%d:%d" % (first, last) if last > first else b"%d" % first)
        first = last = number
    if first:
        pieces.append(b"%d:%d" % (first, last) if last > first else b"%d" % first)
    return b",".join(pieces)
