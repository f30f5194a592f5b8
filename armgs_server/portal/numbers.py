# SPDX-License-Identifier: Apache-2.0
"""Numbers of things in the store, as links and forms carry them."""

from __future__ import annotations

from typing import Final

_DIGITS: Final = 19  # of the largest number
_LARGEST: Final = (1 << 63) - 1


def parse_number(text: str) -> int:
    """0, which nothing has, for what is no number of the store's."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else 0
    return number if number <= _LARGEST else 0
