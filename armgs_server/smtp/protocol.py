# SPDX-License-Identifier: Apache-2.0
"""SMTP framing without I/O: command lines, DATA (RFC 5321 §4.5.2), BDAT chunks (RFC 3030), AUTH lines.

Invariants:
- Only <CRLF>.<CRLF> ends DATA. A bare CR or LF beside the dot never does (SMTP smuggling).
- What follows a command is read as the session asks (`expect_…`) while it handles that command's event;
  so pipelined input is never read in a mode that a refused command would have begun.
- Memory is bounded: a command line by `line_limit`, a body by one received piece.
- Body text leaves unstuffed, in pieces as large as they came, not by line; DATA's with CRLF line ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from armgs_server.smtp.replies import Reply

# RFC 4954 §4: the longest line of an authentication exchange.
RESPONSE_LIMIT = 12288
END_OF_DATA = b"\r\n.\r\n"
_BARE_LF = re.compile(rb"(?<!\r)\n")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line: the verb in upper case, the rest as it came."""

    verb: str
    argument: str


class Fault(Enum):
    """What is wrong with a line that is no command."""

    TOO_LONG = "too long"
    NOT_CRLF = "bare line feed"
    NOT_UTF8 = "not UTF-8"


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be read; it has been consumed."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Response:
    """The client's line within AUTH, without its end (RFC 4954 §4)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class EndOfText:
    """The message (DATA) or the chunk (BDAT) is complete."""


Event: TypeAlias = Command | BadLine | Response | Text | EndOfText


class Mode(Enum):
    """What the next bytes are."""

    COMMAND = "command"
    RESPONSE = "response"
    DATA = "data"
    CHUNK = "chunk"


class SmtpProtocol:
    """One side of one connection: the server's. See the module's docstring."""

    def __init__(self, line_limit: int) -> None:
        self._line_limit = line_limit
        self._mode = Mode.COMMAND
        self._buffer = b""
        self._position = 0
        self._scanned = 0
        self._overlong = False
        self._at_eof = False
        self._remaining = 0
        self._virtual = 0
        self._outgoing: list[bytes] = []

    # Public: receive.

    def receive_data(self, data: bytes) -> None:
        """Takes bytes from the network."""
        if self._position == len(self._buffer):
            self._buffer = data
        else:
            self._buffer = self._buffer[self._position :] + data
        self._scanned = max(self._scanned - self._position, 0)
        self._position = 0

    def receive_eof(self) -> None:
        """The peer sends no more: what is not complete will never be."""
        self._at_eof = True
        self._buffer = b""
        self._position = self._scanned = 0

    def events(self) -> Iterator[Event]:
        """The events in the bytes so far; handle each before asking for the next."""
        while not self._at_eof:
            event = self._next_event()
            if event is None:
                return
            yield event

    @property
    def mode(self) -> Mode:
        """What the next bytes will be read as."""
        return self._mode

    @property
    def has_input(self) -> bool:
        """Whether bytes wait that no event has taken yet."""
        return self._position < len(self._buffer)

    def expect_response(self) -> None:
        """The next line answers a 334."""
        self._mode = Mode.RESPONSE

    def expect_data(self) -> None:
        """The message follows; a 354 goes out."""
        self._mode = Mode.DATA
        # The text begins at the beginning of a line: the search sees a CRLF before it.
        self._buffer = b"\r\n" + self._buffer[self._position :]
        self._position = 0
        self._virtual = 2

    def expect_chunk(self, size: int) -> None:
        """`size` octets follow; they come whether the BDAT was welcome or not (RFC 3030 §2)."""
        self._mode = Mode.CHUNK
        self._remaining = size

    def discard_input(self) -> None:
        """Forgets what is not handled yet."""
        self._buffer = b""
        self._position = self._scanned = 0

    # Public: send.

    def send_reply(self, reply: Reply) -> None:
        """Queues a reply; the replies to pipelined commands leave together (RFC 2920 §3.2)."""
        self._outgoing.append(reply.wire)

    def data_to_send(self) -> list[bytes]:
        """What is queued; it is queued no more."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    # Private.

    def _next_event(self) -> Event | None:
        if self._mode is Mode.DATA:
            return self._next_text()
        if self._mode is Mode.CHUNK:
            return self._next_chunk()
        return self._next_line()

    def _next_line(self) -> Event | None:
        limit = RESPONSE_LIMIT if self._mode is Mode.RESPONSE else self._line_limit
        end = self._buffer.find(b"\n", max(self._position, self._scanned))
        if end < 0:
            if len(self._buffer) - self._position > limit:
                self._overlong = True
                self.discard_input()
            self._scanned = len(self._buffer)
            return None
        line = self._buffer[self._position : end]
        self._position = end + 1
        self._scanned = 0
        mode, self._mode = self._mode, Mode.COMMAND
        if self._overlong or len(line) + 1 > limit:
            self._overlong = False
            return BadLine(Fault.TOO_LONG)
        if line[-1:] != b"\r":
            # RFC 5321 §2.3.8: "conforming implementations MUST NOT recognize or generate any other
            # character or character sequence as a line terminator."
            return BadLine(Fault.NOT_CRLF)
        return Response(line[:-1]) if mode is Mode.RESPONSE else _parse_command(line[:-1])

    def _next_text(self) -> Event | None:
        dot = self._buffer.find(b"\r\n.", self._position)
        # Only from the first line that begins with a dot on can there be an end: one search, mostly.
        end = self._buffer.find(END_OF_DATA, dot) if dot >= 0 else -1
        # The CRLF before the final dot belongs to the text.
        stop = end + 2 if end >= 0 else len(self._buffer) - _held_back(self._buffer)
        if stop <= self._position:
            return None
        text = self._buffer[self._position : stop]
        if 0 <= dot < stop - 2:  # RFC 5321 §4.5.2: a line that begins with a dot loses it
            text = text.replace(b"\r\n.", b"\r\n")
        text = _with_crlf(text)[self._virtual :]
        self._position = stop
        self._virtual = 0
        if end >= 0:
            self._position = end + len(END_OF_DATA)
            self.expect_chunk(0)
        if text:
            return Text(text)
        return self._next_chunk() if end >= 0 else None

    def _next_chunk(self) -> Event | None:
        if self._remaining == 0:
            self._mode = Mode.COMMAND
            return EndOfText()
        text = self._buffer[self._position : self._position + self._remaining]
        if not text:
            return None
        self._position += len(text)
        self._remaining -= len(text)
        return Text(text)


def _parse_command(line: bytes) -> Command | BadLine:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return BadLine(Fault.NOT_UTF8)
    verb, _, argument = text.partition(" ")
    return Command(verb.upper(), argument.strip(" "))


def _with_crlf(text: bytes) -> bytes:
    """A bare LF becomes CRLF, now that the end of the text is known.

    A piece never ends between CR and LF, so it can be judged alone. COMPAT (curl, scripts): their text has
    bare line feeds; what is kept and sent on has none, and no dot among them is the end of anything.
    """
    if text.count(b"\n") != text.count(b"\r\n"):
        return _BARE_LF.sub(b"\r\n", text)
    return text


def _held_back(buffer: bytes) -> int:
    """How many of the last bytes may be the beginning of <CRLF>.<CRLF>."""
    for length in range(min(len(END_OF_DATA) - 1, len(buffer)), 0, -1):
        if END_OF_DATA.startswith(buffer[-length:]):
            return length
    return 0
