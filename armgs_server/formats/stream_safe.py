# SPDX-License-Identifier: Apache-2.0
"""Text from anybody before it is normalised: no more than 30 combining characters in a row.

Canonical ordering takes the square of their number: minutes for a message that is nothing else. Unicode's
Stream-Safe Text Format draws the same line; no language comes near it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_MOST = 30
_SHORT = 300  # what is not longer is normalised in less than a millisecond, whatever it is


def stream_safe(text: str) -> str:
    """The text without what is too much of it."""
    if len(text) <= _SHORT or text.isascii():
        return text
    any_, run = _patterns()
    return run.sub(r"\1", text) if any_.search(text) else text


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """One, and too many; some 30 ms, once. Scripts of old and signs beyond U+FFFF all count as such."""
    marks = "".join(char for char in map(chr, range(0x300, 0x10000)) if _is_combining(char))
    among = f"[{marks}\U00010000-\U0001ffff]"
    return re.compile(among), re.compile(f"({among}{{{_MOST}}}){among}+")


def _is_combining(char: str) -> bool:
    """In the compatibility forms, too."""
    return unicodedata.combining(unicodedata.normalize("NFKD", char)[0]) != 0
