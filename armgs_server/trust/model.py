# SPDX-License-Identifier: Apache-2.0
"""What SMTP tells of a message that has come or is about to go, and what it is told in return."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from mmap import mmap
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message from outside, complete, before anything of it is kept. `text` may be a mapped file."""

    id: str  # as in the reply, in Received: and in the log
    peer: str  # the client's address
    helo: str
    is_tls: bool
    sender: str  # reverse-path; "" = null
    recipients: tuple[str, ...]
    text: bytes | mmap
    header_size: int  # with the empty line


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reply instead of the message: 4xx or 5xx, with its enhanced code (RFC 3463)."""

    code: int
    status: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an arrival. `fields` stand above Received:; `head` replaces the header as it came."""

    fields: bytes = b""
    head: bytes | None = None
    is_junk: bool = False
    refusal: Refusal | None = None
    is_proven: bool = False  # whether the reverse-path's domain stands behind it


@dataclass(frozen=True, slots=True)
class Departure:
    """A message as it goes to another domain, whatever was converted on the way."""

    text: bytes
    sender: str  # reverse-path
    author: int  # the principal who submitted it; 0: passed on, or the server's own report


Judge: TypeAlias = Callable[[Arrival], Awaitable[Verdict]]
# The fields to write above a departure: signatures.
Seal: TypeAlias = Callable[[Departure], Awaitable[bytes]]
