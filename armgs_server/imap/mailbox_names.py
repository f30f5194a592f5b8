# SPDX-License-Identifier: Apache-2.0
"""Mailbox names: RFC 3501 §5.1, modified UTF-7 of §5.1.3, patterns of RFC 5258.

Inside, a name is a str with "/" between its levels; INBOX is spelled so whatever the client writes.
"""

from __future__ import annotations

import binascii
import re
import unicodedata

from armgs_server.formats.stream_safe import stream_safe
from armgs_server.imap.responses import bad, no

DELIMITER = "/"
INBOX = "INBOX"
MAX_SEGMENT = 255
MAX_LEVELS = 30
# A LIST pattern longer than this, or with more wildcards, is refused: it is held against every mailbox.
MAX_PATTERN = 1000
MAX_WILDCARDS = 20

_SHIFTED = re.compile(r"&([^-]*)-")
_UNSAFE = re.compile(r"(?:&|[^\x20-\x7e])")
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]+")


def decode_mailbox(name: bytes, *, utf8: bool = False) -> str:
    """A name from the wire: modified UTF-7, or raw UTF-8 as newer clients send it; with `utf8` nothing else
    (RFC 9051 §5.1)."""
    if utf8 or not name.isascii():
        try:
            return normalise(name.decode("utf-8"))
        except UnicodeDecodeError:
            raise bad("mailbox name is neither modified UTF-7 nor UTF-8") from None
    text = name.decode("ascii")
    if "&" in text:
        try:
            text = _SHIFTED.sub(lambda shifted: _unshift(shifted[1]), text)
        except (binascii.Error, UnicodeDecodeError):
            raise no("mailbox name is not modified UTF-7", "CANNOT") from None
    return normalise(text)


def _unshift(base64: str) -> str:
    if not base64:
        return "&"
    padded = base64.replace(",", "/") + "=" * (-len(base64) % 4)
    return binascii.a2b_base64(padded.encode("ascii"), strict_mode=True).decode("utf-16-be")


def encode_mailbox(name: str) -> bytes:
    """A name for the wire, in modified UTF-7."""
    if name.isascii() and not _UNSAFE.search(name):
        return name.encode("ascii")
    text = _NOT_PRINTABLE.sub(lambda run: _shift(run[0]), name.replace("&", "&-"))
    return text.encode("ascii")


def _shift(run: str) -> str:
    base64 = binascii.b2a_base64(run.encode("utf-16-be"), newline=False).decode("ascii")
    return f"&{base64.rstrip('=').replace('/', ',')}-"


def normalise(name: str) -> str:
    """NFC; INBOX in any case as the first level is INBOX (RFC 3501 §5.1)."""
    name = unicodedata.normalize("NFC", stream_safe(name))
    first, slash, rest = name.partition(DELIMITER)
    return INBOX + slash + rest if first.upper() == INBOX else name


def segments(name: str) -> list[str]:
    """The levels of a name that a mailbox may have; CANNOT otherwise (RFC 5530)."""
    levels = name.split(DELIMITER)
    if len(levels) > MAX_LEVELS:
        raise no(f"more than {MAX_LEVELS} levels", "CANNOT")
    for level in levels:
        if not level or level in (".", "..") or any(unicodedata.category(char) == "Cc" for char in level):
            raise no("empty level, or control character, in the mailbox name", "CANNOT")
        if "%" in level or "*" in level:
            raise no("wildcards are not allowed in mailbox names", "CANNOT")
        if len(level.encode("utf-8", "replace")) > MAX_SEGMENT:
            raise no(f"level longer than {MAX_SEGMENT} octets", "CANNOT")
    return levels


def check_pattern(pattern: str) -> None:
    """BAD for a pattern that is beyond the limits."""
    if len(pattern) > MAX_PATTERN or pattern.count("*") + pattern.count("%") > MAX_WILDCARDS:
        raise bad(f"patterns have at most {MAX_PATTERN} characters and {MAX_WILDCARDS} wildcards")


def is_match(pattern: str, name: str) -> bool:
    """Whether LIST's `pattern` means `name`: "*" is anything, "%" anything within one level.

    Walks all places in the pattern at once, so that no pattern takes longer than length times length.
    """
    if pattern == "*":
        return True
    places = _skip_wildcards(pattern, {0})
    for char in name:
        following = set()
        for place in places:
            wanted = pattern[place : place + 1]
            if wanted == "*" or (wanted == "%" and char != DELIMITER):
                following.add(place)
            elif wanted == char:
                following.add(place + 1)
        if not following:
            return False
        places = _skip_wildcards(pattern, following)
    return len(pattern) in places


def _skip_wildcards(pattern: str, places: set[int]) -> set[int]:
    """The places themselves, and those behind wildcards, which may stand for nothing."""
    for place in tuple(places):
        while pattern[place : place + 1] in ("*", "%"):
            place += 1
            places.add(place)
    return places
