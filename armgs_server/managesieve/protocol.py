# SPDX-License-Identifier: Apache-2.0
"""ManageSieve framing without I/O: commands and their strings (RFC 5804 §4), and what clients say within
AUTHENTICATE (RFC 5804 §2.1).

Invariants:
- A client's literals are non-synchronising: one that is too large is swallowed, and one that is absurd ends
  the connection, before memory is needed for it.
- Memory is bounded by `line_limit` and `literal_limit`.
- What follows a command is read as the session asks (`expect_response`) while it handles that command's
  event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

# string = quoted / literal-c2s; literal-c2s = "{" number "+}" CRLF *OCTET
_LITERAL: Final = re.compile(rb"\{([0-9]{1,10})\+\}\Z")
_TOKEN: Final = re.compile(
    rb'"((?:[^"\\\r\n]|\\["\\])*+)"|([0-9]{1,10})(?![A-Za-z0-9])|([A-Za-z][A-Za-z0-9_-]*)'
)
_ESCAPED: Final = re.compile(rb"\\(.)")
MAX_ARGUMENTS: Final = 4
# What is swallowed of a literal that is too large; above it the connection ends.
SWALLOWED: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Command:
    """A command by its name in upper case; strings are bytes, numbers int."""

    name: str
    arguments: tuple[bytes | int, ...]


@dataclass(frozen=True, slots=True)
class Response:
    """A client's string within AUTHENTICATE."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Bad:
    """What cannot be read; it has been consumed. `code` is a response code of RFC 5804 §1.3."""

    text: str
    code: str = ""
    is_fatal: bool = False


Event: TypeAlias = Command | Response | Bad


class ManageSieveProtocol:
    """The server's side of one connection."""

    def __init__(self, line_limit: int, literal_limit: int) -> None:
        self._line_limit = line_limit
        self._literal_limit = literal_limit
        self._buffer = bytearray()
        self._scanned = 0
        self._words: list[bytes | int | str] = []  # of the command so far; a str is its name
        self._fault: Bad | None = None  # of the command so far
        self._literal = -1  # octets that are still to come of one; -1 = none
        self._is_kept = True  # the literal
        self._is_response = False
        self._is_overlong = False
        self._is_dead = False

    def receive_data(self, data: bytes) -> None:
        """Takes bytes from the network."""
        if not self._is_dead:
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
        """What comes next answers a challenge."""
        self._is_response = True

    def _next(self) -> Event | None:
        while not self._is_dead:
            if self._literal >= 0:
                if not self._take_literal():
                    return None
                continue
            line = self._take_line()
            if line is None:
                return None
            found = _LITERAL.search(line)
            self._parse(line[: found.start()] if found else line)
            if found is None:
                return self._finished()
            self._begin_literal(int(found[1]))
        fault, self._fault = self._fault, None
        return fault

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._scanned)
        if end < 0:
            if len(self._buffer) > self._line_limit:
                self._is_overlong = True
                self._buffer.clear()
            self._scanned = len(self._buffer)
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        self._scanned = 0
        if self._is_overlong or len(line) > self._line_limit:
            self._is_overlong = False
            self._fault = Bad(f"line longer than {self._line_limit} octets")
        return line

    def _begin_literal(self, size: int) -> None:
        self._literal = size
        self._is_kept = size <= self._literal_limit and self._fault is None
        if size > SWALLOWED:
            self._die(Bad("the string is far too large", "QUOTA/MAXSIZE", is_fatal=True))
        elif size > self._literal_limit:
            self._fault = self._fault or Bad("the string is too large", "QUOTA/MAXSIZE")

    def _take_literal(self) -> bool:
        """Whether the literal is complete."""
        if not self._is_kept:
            taken = min(self._literal, len(self._buffer))
            del self._buffer[:taken]
            self._literal -= taken
            if self._literal:
                return False
        elif len(self._buffer) < self._literal:
            return False
        else:
            self._words.append(bytes(self._buffer[: self._literal]))
            del self._buffer[: self._literal]
        self._literal = -1
        return True

    def _parse(self, line: bytes) -> None:
        """The words of a line, behind those that came before a literal."""
        position = 0
        while self._fault is None:
            while line[position : position + 1] == b" ":
                position += 1
            if position == len(line):
                return
            token = _TOKEN.match(line, position)
            if token is None or len(self._words) > MAX_ARGUMENTS:
                self._fault = Bad("the command cannot be read")
                return
            position = token.end()
            if token[1] is not None:
                self._words.append(_ESCAPED.sub(rb"\1", token[1]))
            elif token[2] is not None:
                self._words.append(int(token[2]))
            else:
                self._words.append(token[3].decode().upper())

    def _finished(self) -> Event:
        words, self._words = self._words, []
        fault, self._fault = self._fault, None
        is_response, self._is_response = self._is_response, False
        if fault is not None:
            return fault
        if is_response:
            if len(words) == 1 and isinstance(words[0], bytes):
                return Response(words[0])
            return Bad("a string is expected")
        if not words or not isinstance(words[0], str):
            return Bad("a command is expected")
        arguments = [word for word in words[1:] if not isinstance(word, str)]
        if len(arguments) + 1 != len(words):
            return Bad("arguments are strings and numbers")
        return Command(words[0], tuple(arguments))

    def _die(self, fault: Bad) -> None:
        self._fault = fault
        self._is_dead = True
        self._buffer.clear()
