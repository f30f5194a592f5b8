# SPDX-License-Identifier: Apache-2.0
"""What `protocol` makes of the bytes of a client: RFC 3501 §2.2.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Command:
    """A complete command: `parts` alternate text and literals, `position` is behind the name."""

    tag: bytes
    name: str
    parts: tuple[bytes, ...]
    position: int


@dataclass(frozen=True, slots=True)
class MessageStart:
    """`size` octets of message are announced; answer with accept_message or refuse_message."""

    command: Command
    size: int


@dataclass(frozen=True, slots=True)
class MessageData:
    """A piece of the accepted message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class MessageEnd:
    """The literal is complete, and what follows it on the line. `size`: of the next one, to be answered like
    the first; None where the command ends here."""

    rest: bytes
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is no command, as asked for by expect_line."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """Input that is no command; it has been consumed. Without a tag the answer is untagged."""

    tag: bytes
    text: str
    code: str = ""


Event: TypeAlias = Command | MessageStart | MessageData | MessageEnd | Line | Fault
