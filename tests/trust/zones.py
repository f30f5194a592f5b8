# SPDX-License-Identifier: Apache-2.0
"""Records for the name server of the tests, from what test-suites and tests say in plain words."""

from __future__ import annotations

from collections.abc import Mapping

import dns.name

Zone = dict[tuple[str, str], list[str]]


def absolute(name: str) -> str:
    """As the name server spells a question."""
    return dns.name.from_text(name.rstrip(".") + ".").to_text().lower()


def txt(*strings: str) -> str:
    """The data of a TXT record; long strings in pieces."""
    pieces = [string[at : at + 255] for string in strings for at in range(0, max(len(string), 1), 255)]
    return " ".join(f'"{"".join(map(_escaped, piece))}"' for piece in pieces)


def texts(records: Mapping[str, str]) -> Zone:
    """TXT records by name."""
    return {(absolute(name), "TXT"): [txt(text)] for name, text in records.items()}


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if " " <= char <= "~":
        return char
    return "".join(f"\\{byte:03d}" for byte in char.encode())
