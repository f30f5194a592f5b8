# SPDX-License-Identifier: Apache-2.0
"""The milter protocol of Sendmail, version 6, from the side of the mail server: bytes in, answers out.

A packet is a length of four octets, then a command or answer of one octet and its data. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from armgs_server.errors import Invalid

VERSION = 6
# A packet of a milter; headers it adds are not longer.
LONGEST_PACKET = 128 * 1024
# A body goes in pieces of this size (MILTER_CHUNK_SIZE).
CHUNK = 65535

# Commands
OPTIONS = b"O"
MACRO = b"D"
CONNECT = b"C"
HELO = b"H"
MAIL = b"M"
RECIPIENT = b"R"
DATA = b"T"
HEADER = b"L"
END_OF_HEADER = b"N"
BODY = b"B"
END_OF_BODY = b"E"
QUIT = b"Q"

# Answers
CONTINUE = b"c"
ACCEPT = b"a"
REJECT = b"r"
DISCARD = b"d"
TEMPORARY_FAILURE = b"t"
REPLY_CODE = b"y"
PROGRESS = b"p"
SKIP = b"s"
ADD_HEADER = b"h"
INSERT_HEADER = b"i"
CHANGE_HEADER = b"m"
QUARANTINE = b"q"

# Actions that are offered: fields may be added, the message put aside. Nothing that is there is changed.
ACTION_ADD_HEADERS = 0x01
ACTION_CHANGE_HEADERS = 0x10
ACTION_QUARANTINE = 0x20
# Steps that a milter may leave out, and answers that it need not give.
NO_CONNECT, NO_HELO, NO_MAIL, NO_RECIPIENT, NO_BODY, NO_HEADERS, NO_END_OF_HEADER = (
    1 << bit for bit in range(7)
)
NO_REPLY_HEADER = 0x80
NO_UNKNOWN = 0x100
NO_DATA = 0x200
MAY_SKIP = 0x400
REJECTED_RECIPIENTS = 0x800
NO_REPLY_CONNECT, NO_REPLY_HELO, NO_REPLY_MAIL, NO_REPLY_RECIPIENT, NO_REPLY_DATA = (
    0x1000 << bit for bit in range(5)
)
NO_REPLY_END_OF_HEADER = 0x40000
NO_REPLY_BODY = 0x80000
LEADING_SPACE = 0x100000
ACTIONS = ACTION_ADD_HEADERS | ACTION_CHANGE_HEADERS | ACTION_QUARANTINE
STEPS = 0x7F | NO_REPLY_HEADER | NO_UNKNOWN | NO_DATA | MAY_SKIP | 0x1F000 | 0xC0000 | LEADING_SPACE

_REPLY = re.compile(r"([45]\d\d)(?: ([245]\.\d{1,3}\.\d{1,3}))?(?:[ -](.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """One packet of the milter."""

    kind: bytes
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Options:
    """What was agreed on."""

    version: int
    actions: int
    steps: int


def packet(command: bytes, data: bytes = b"") -> bytes:
    """One packet."""
    return (len(data) + 1).to_bytes(4, "big") + command + data


def strings(*texts: str) -> bytes:
    """NUL-terminated strings; a NUL inside one would end it early."""
    return b"".join(text.replace("\0", "").encode("utf-8", "surrogateescape") + b"\0" for text in texts)


def serialise_options() -> bytes:
    """What this server can do."""
    return packet(OPTIONS, b"".join(each.to_bytes(4, "big") for each in (VERSION, ACTIONS, STEPS)))


def serialise_connect(hostname: str, peer: str) -> bytes:
    """Where the client comes from; its port is nobody's matter."""
    family = "6" if ":" in peer else "4"
    return packet(CONNECT, strings(hostname) + family.encode() + bytes(2) + strings(peer))


def serialise_macros(command: bytes, macros: Sequence[tuple[str, str]]) -> bytes:
    """Names and values that hold for the command that follows."""
    return packet(MACRO, command + strings(*(text for pair in macros for text in pair)))


def parse_options(data: bytes) -> Options:
    """The milter's answer to the options; Invalid where it wants what was not offered."""
    if len(data) < 12:
        raise Invalid("the milter's options are too short")
    options = Options(*(int.from_bytes(data[start : start + 4], "big") for start in (0, 4, 8)))
    if not 2 <= options.version <= VERSION:
        raise Invalid(f"the milter speaks version {options.version}")
    if options.actions & ~ACTIONS or options.steps & ~STEPS:
        raise Invalid("the milter wants to change more than header fields")
    return options


def parse_header(answer: Answer) -> tuple[str, str]:
    """Name and value of a field that is added or inserted; Invalid."""
    data = answer.data[4:] if answer.kind == INSERT_HEADER else answer.data
    parts = data.split(b"\0")
    if len(parts) < 2:
        raise Invalid("the milter's field has no value")
    return parts[0].decode("utf-8", "replace"), parts[1].decode("utf-8", "replace")


def parse_reply_code(data: bytes) -> tuple[int, str, str]:
    """Code, enhanced code and text of an SMTP reply that the milter wants given; Invalid."""
    match = _REPLY.fullmatch(data.rstrip(b"\0").decode("utf-8", "replace"))
    if match is None:
        raise Invalid("the milter's reply is none")
    code = int(match[1])
    return code, match[2] or ("5.7.1" if code >= 500 else "4.7.1"), " ".join((match[3] or "").split())


class Answers:
    """Takes the milter's bytes as they come; gives whole answers."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive_data(self, data: bytes) -> None:
        """Bytes of the milter."""
        self._buffer += data

    def events(self) -> Iterator[Answer]:
        """What is complete; Invalid where a length is absurd."""
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "big")
            if not 1 <= size <= LONGEST_PACKET:
                raise Invalid("a packet of the milter has an absurd length")
            if len(self._buffer) < 4 + size:
                return
            answer = Answer(bytes(self._buffer[4:5]), bytes(self._buffer[5 : 4 + size]))
            del self._buffer[: 4 + size]
            yield answer
