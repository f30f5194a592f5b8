# SPDX-License-Identifier: Apache-2.0
"""Header fields as signatures see them: each with all its bytes, in order (RFC 5322 §2.2, RFC 6376 §3.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*|[^\n]+\Z")
_BLANKS = re.compile(rb"[ \t]+")


class Field(NamedTuple):
    """`raw` is the field with its line end; `name` in lower case, without blanks."""

    name: bytes
    raw: bytes

    @property
    def value(self) -> bytes:
        """What stands behind the colon, as it is folded."""
        return self.raw.partition(b":")[2]

    @property
    def text(self) -> str:
        """The value unfolded; bytes that are no UTF-8 are replaced."""
        return self.value.replace(b"\r\n", b"").strip().decode("utf-8", "replace")


def split_fields(head: bytes) -> list[Field]:
    """All fields of a header; lines that are none stand alone, under a name nobody asks for."""
    found = []
    for match in _FIELD.finditer(head):
        raw = match[0]
        if raw in (b"\r\n", b"\n"):
            break
        name, colon, _ = raw.partition(b":")
        found.append(Field(name.rstrip(b" \t").lower() if colon else b"", raw))
    return found


def relaxed(field: bytes) -> bytes:
    """RFC 6376 §3.4.2, with the CRLF at the end."""
    name, _, value = field.partition(b":")
    value = value.replace(b"\r\n", b"")
    if b"\t" in value or b"  " in value:
        value = _BLANKS.sub(b" ", value)
    value = value.strip(b" \r\n")
    return name.rstrip(b" \t").lower() + b":" + value + b"\r\n"


def simple(field: bytes) -> bytes:
    """RFC 6376 §3.4.1"""
    return field


def select(fields: Sequence[Field], names: Iterable[str]) -> list[bytes]:
    """RFC 6376 §5.4.2: fields of one name are taken from the bottom; what is not there is nothing."""
    left: dict[bytes, list[bytes]] = {}
    for field in fields:
        left.setdefault(field.name, []).append(field.raw)
    chosen = []
    for name in names:
        same = left.get(name.encode("ascii", "replace").lower())
        if same:
            chosen.append(same.pop())
    return chosen
