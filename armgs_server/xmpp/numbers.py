# SPDX-License-Identifier: Apache-2.0
"""Numbers that clients and other servers write, as far as the store has room for them."""

from __future__ import annotations

from typing import Final

LARGEST: Final = (1 << 63) - 1  # of an SQL BIGINT


def whole(text: str, largest: int = LARGEST) -> int | None:
    """The number, in ASCII digits; None where it is none, or is too large."""
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(LARGEST)):
        return None
    number = int(text)
    return number if number <= largest else None
