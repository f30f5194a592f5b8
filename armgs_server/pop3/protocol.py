# SPDX-License-Identifier: Apache-2.0
"""POP3 framing without I/O: command lines (RFC 1939 §3, RFC 2449 §4) and the lines of AUTH (RFC 5034 §4).

Invariants:
- What follows a command is read as the session asks (`expect_response`) while it handles that command's
  event, so pipelined input is never taken for the answer to a challenge.
- Memory is bounded by `line_limit`; the rest of a line that is longer is swallowed.
- Lines may end in bare LF, as some old clients have it: no command carries text of others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

# RFC 5034 §4, RFC 4954 §4: the longest line of an authentication exchange.
RESPONSE_LIMIT = 12288


@dataclass(frozen=True, slots=True)
class Command:
    """A command line: the keyword in upper case, and what is behind the space, as it came."""

    keyword: str
    argument: str


@dataclass(frozen=True, slots=True)
class Response:
    """The client's line within AUTH, without its end."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be read; it has been consumed."""

    text: str


Event: TypeAlias = Command | Response | BadLine


class Pop3Protocol:
    """The server's side of one connection."""

    def __init__(self, line_limit: int) -> None:
        self._line_limit = line_limit
        self._buffer = bytearray()
        self._scanned = 0
        self._is_response = False
        self._is_overlong = False

    def receive_data(self, data: bytes) -> None:
        """Takes bytes from the network."""
        self._buffer += data

    def events(self) -> Iterator[Event]:
        """The events in the bytes so far; handle each before asking for the next."""
        while (event := self._next()) is not None:
            yield event

    @property
    def has_input(self) -> bool:
        """Whether bytes wait that no event has taken yet."""
        return bool(self._buffer)

    def expect_response(self) -> None:
        """The next line answers a challenge."""
        self._is_response = True

    def _next(self) -> Event | None:
        limit = RESPONSE_LIMIT if self._is_response else self._line_limit
        end = self._buffer.find(b"\n", self._scanned)
        if end < 0:
            if len(self._buffer) > limit:
                self._is_overlong = True
                self._buffer.clear()
            self._scanned = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._scanned = 0
        is_overlong = self._is_overlong or len(line) + 1 > limit
        is_response = self._is_response
        self._is_overlong = self._is_response = False
        if is_overlong:
            return BadLine(f"line longer than {limit} octets")
        line = line.removesuffix(b"\r")
        return Response(line) if is_response else _parse_command(line)


def _parse_command(line: bytes) -> Command | BadLine:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return BadLine("not UTF-8")
    keyword, _, argument = text.partition(" ")
    return Command(keyword.upper(), argument)
