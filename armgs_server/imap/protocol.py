# SPDX-License-Identifier: Apache-2.0
"""Command framing without I/O: RFC 3501 §2.2.1, §4.3, LITERAL+ (RFC 7888), literal8 (RFC 3516).

Invariants:
- A command leaves as one event with its literals; only what an APPEND or REPLACE brings are events of
  their own, in pieces as they came, so that memory stays bounded: a command by `line_limit` +
  `literal_limit`.
- Whether a message is wanted is asked before its first octet: a refused synchronising literal is never
  sent, a refused non-synchronising one is swallowed.
- Input behind a command is read as the session asks (`expect_line`) while it handles the event.
- Lines may end in bare LF; nothing else is forgiven here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from armgs_server.imap.events import Command, Event, Fault, Line, MessageData, MessageEnd, MessageStart

# tag = 1*<any ASTRING-CHAR except "+">
_TAG = re.compile(rb"([!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]{1,64}) ")
_HEAD = re.compile(_TAG.pattern + rb"([A-Za-z0-9]+)")
_UID = re.compile(rb" ([A-Za-z]+)")
# literal = "{" number ["+"] "}" CRLF CHAR8; "-" is LITERAL- (RFC 7888 §3); "~" is literal8 (RFC 3516 §4.4)
_LITERAL = re.compile(rb"~?\{([0-9]{1,15})([+-]?)\}\Z")
# What stands before the first literal of a message: a mailbox, for REPLACE (RFC 8508) behind the number.
# The mailbox may be a literal itself.
_MESSAGE = re.compile(_TAG.pattern + rb"(?:APPEND +[^ ]|(?:UID +)?REPLACE +[^ ]+ +[^ ])", re.IGNORECASE)
_MESSAGE_NAME = re.compile(_TAG.pattern + rb"(?:APPEND|(?:UID +)?REPLACE) ", re.IGNORECASE)
_LITERAL_SIZE = 20  # octets of the longest, with the CR behind it
# Literals in one command: each costs a round trip or a list entry.
MAX_LITERALS = 1000


class _Mode(Enum):
    COMMAND = "command"
    LITERAL = "literal"  # collecting a literal of the current command
    DECIDE = "decide"  # the session has not yet said whether it wants the message
    MESSAGE = "message"
    MESSAGE_END = "message end"
    LINE = "line"
    SKIP = "skip"  # octets of a literal nobody wants
    SKIP_LINE = "skip line"  # the rest of a line nobody wants


class ImapProtocol:
    """The server's side of one connection."""

    def __init__(self, line_limit: int, literal_limit: int) -> None:
        self.line_limit = line_limit
        self.literal_limit = literal_limit
        self._mode = _Mode.COMMAND
        self._buffer = bytearray()
        self._scanned = 0
        self._remaining = 0
        self._is_synchronising = False
        self._skip_then = b""
        self._outgoing: list[bytes] = []
        self._begin()

    def _begin(self) -> None:
        self._parts: list[bytes] = []
        self._text_size = 0
        self._literal_size = 0

    # Public: receive.

    def receive_data(self, data: bytes) -> None:
        self._buffer += data

    def receive_eof(self) -> None:
        """What is not complete will never be."""
        self._buffer.clear()
        self._scanned = 0

    def events(self) -> Iterator[Event]:
        """The events in the bytes so far; handle each before asking for the next."""
        while self._buffer or self._mode in (_Mode.MESSAGE, _Mode.LITERAL, _Mode.SKIP):
            event = self._step()
            if isinstance(event, bool):
                if not event:
                    return
                continue
            yield event

    def take_input(self) -> bytes:
        """What waits, which is not what it seems: the connection is compressed from here on (RFC 4978)."""
        data = bytes(self._buffer)
        self.receive_eof()
        return data

    @property
    def has_input(self) -> bool:
        """Whether bytes wait that no event has taken yet."""
        return bool(self._buffer)

    # Public: send.

    def data_to_send(self) -> list[bytes]:
        """Continuation requests, to go out after what answers the events so far."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def expect_line(self) -> None:
        """The next line is no command: DONE, or a step of AUTHENTICATE."""
        self._mode = _Mode.LINE

    def accept_message(self) -> None:
        """Answers MessageStart: the message may come."""
        assert self._mode is _Mode.DECIDE
        if self._is_synchronising:
            self._outgoing.append(b"+ Ready for the message\r\n")
        self._mode = _Mode.MESSAGE

    def refuse_message(self) -> None:
        """Answers MessageStart or ends a message that went wrong: what is still on its way is swallowed."""
        if self._mode is _Mode.DECIDE and self._is_synchronising:
            self._reset()  # RFC 3501 §4.3: without "+" the client sends no literal
        elif self._mode in (_Mode.DECIDE, _Mode.MESSAGE):
            self._mode = _Mode.SKIP
        elif self._mode is _Mode.MESSAGE_END:
            self._mode = _Mode.SKIP_LINE

    # Private.

    def _reset(self) -> None:
        self._mode = _Mode.COMMAND
        self._begin()

    def _step(self) -> Event | bool:
        """One event; True for progress without one, False when more bytes are needed."""
        if self._mode in (_Mode.MESSAGE, _Mode.LITERAL, _Mode.SKIP):
            return self._take_octets()
        if self._mode is _Mode.DECIDE:
            return False
        end = self._buffer.find(b"\n", self._scanned)
        if end < 0:
            self._scanned = len(self._buffer)
            # the CR of a line that is just as long as it may be is one octet more
            return self._overlong() if self._scanned > self.line_limit + 1 else False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._scanned = 0
        if line.endswith(b"\r"):
            line = line[:-1]
        return self._take_line(line)

    def _overlong(self) -> Event | bool:
        """The line is dropped as it comes, but for its end, which may announce a literal."""
        tag = self._tag(bytes(self._buffer[:200]))
        del self._buffer[:-_LITERAL_SIZE]
        self._scanned = len(self._buffer)
        if self._mode is _Mode.SKIP_LINE:
            return False
        self._begin()
        self._mode = _Mode.SKIP_LINE
        return Fault(tag, f"line longer than {self.line_limit} octets", "TOOBIG")

    def _tag(self, line: bytes) -> bytes:
        found = _TAG.match(self._parts[0] if self._parts else line)
        return found[1] if found else b"*"

    def _take_line(self, line: bytes) -> Event | bool:
        mode = self._mode
        if mode is _Mode.LINE:
            self._mode = _Mode.COMMAND
            return Line(line)
        if mode is _Mode.MESSAGE_END:
            return self._message_end(line)
        if mode is _Mode.SKIP_LINE:
            self._finish(line)
            return True
        self._text_size += len(line)
        if self._text_size > self.line_limit:
            return self._refuse(line, f"command longer than {self.line_limit} octets", "TOOBIG")
        found = _LITERAL.search(line)
        if found is None:
            self._parts.append(line)
            return self._command()
        return self._announced(line, found)

    def _message_end(self, line: bytes) -> MessageEnd:
        """What is behind a message: the end of the command, or another literal (RFC 3502, RFC 4469)."""
        found = _LITERAL.search(line)
        if found is None:
            self._finish(line)
            return MessageEnd(line)
        self._remaining = int(found[1])
        self._is_synchronising = not found[2]
        self._mode = _Mode.DECIDE
        return MessageEnd(line[: found.start()], self._remaining)

    def _refuse(self, line: bytes, text: str, code: str = "") -> Fault:
        """Ends the current command."""
        fault = Fault(self._tag(line), text, code)
        self._finish(line)
        return fault

    def _finish(self, line: bytes) -> None:
        """The command is over; a non-synchronising literal that its last line announces comes anyway."""
        self._reset()
        found = _LITERAL.search(line)
        if found and found[2]:
            self._mode, self._remaining = _Mode.SKIP, int(found[1])

    def _announced(self, line: bytes, found: re.Match[bytes]) -> Event | bool:
        """The line ends in {size}: a literal follows."""
        size = int(found[1])
        self._is_synchronising = not found[2]
        head = _HEAD.match(self._parts[0] if self._parts else line)
        if head is None:
            return self._refuse(line, "tag and command expected")
        text = line[: found.start()]
        if _MESSAGE_NAME.match(self._parts[0]) if self._parts else _MESSAGE.match(text):
            self._parts.append(text)
            self._remaining = size
            self._mode = _Mode.DECIDE
            command = self._command(begin_again=False)
            return MessageStart(command, size) if isinstance(command, Command) else command
        self._literal_size += size
        if self._literal_size > self.literal_limit or len(self._parts) > 2 * MAX_LITERALS:
            return self._refuse(line, f"literals larger than {self.literal_limit} octets", "TOOBIG")
        self._parts.append(text)
        self._remaining = size
        self._mode = _Mode.LITERAL
        if self._is_synchronising:
            self._outgoing.append(b"+ Ready for the literal\r\n")
        return True

    def _command(self, *, begin_again: bool = True) -> Command | Fault:
        text = self._parts[0]
        head = _HEAD.match(text)
        parts = tuple(self._parts)
        if begin_again:
            self._reset()
        if head is None:
            return Fault(self._tag(text), "tag and command expected")
        name, position = head[2].decode("ascii").upper(), head.end()
        if name == "UID" and (second := _UID.match(text, position)):
            name, position = f"UID {second[1].decode('ascii').upper()}", second.end()
        return Command(head[1], name, parts, position)

    def _take_octets(self) -> Event | bool:
        if self._mode is _Mode.LITERAL:
            if len(self._buffer) < self._remaining:
                return False
            self._parts.append(bytes(self._buffer[: self._remaining]))
            del self._buffer[: self._remaining]
            self._mode = _Mode.COMMAND
            return bool(self._buffer)
        size = min(self._remaining, len(self._buffer))
        if not size and self._remaining:
            return False
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._remaining -= size
        if self._mode is _Mode.SKIP:
            if not self._remaining:
                self._mode = _Mode.SKIP_LINE
            return bool(self._buffer)
        if not self._remaining:
            self._mode = _Mode.MESSAGE_END
        return MessageData(data)
