# SPDX-License-Identifier: Apache-2.0
"""What a filter thinks of a message."""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server.trust.model import Refusal


@dataclass(frozen=True, slots=True)
class Opinion:
    """`fields` are whole header fields to write above the message."""

    is_junk: bool = False
    refusal: Refusal | None = None
    fields: bytes = b""
    score: str = ""


def field(name: str, value: str) -> bytes:
    """A header field of what a filter says; what would end it or begin another is taken out."""
    lines = [line.strip() for line in value.replace("\r", "\n").split("\n")]
    clean = "\r\n\t".join("".join(c for c in line if c.isprintable() or c == "\t") for line in lines if line)
    return f"{name}: {clean}\r\n".encode()


def is_field_name(name: str) -> bool:
    """ftext of RFC 5322 §2.2"""
    return bool(name) and all("!" <= char <= "~" and char != ":" for char in name)
