# SPDX-License-Identifier: Apache-2.0
"""What another server says, as its client reads it: replies of RFC 5321 §4.2, the keywords of EHLO.

Pure: bytes in, responses out. Memory is bounded: a reply has at most so many lines, a line so many octets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# RFC 5321 §4.5.3.1.5 says 512 octets; servers write longer ones.
LINE_LIMIT = 4096
LINES_LIMIT = 200

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
# RFC 2034 §4: status-code ::= class "." subject "." detail
_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: (.*))?", re.DOTALL)


class BadResponse(Exception):
    """What came is no reply of SMTP."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete reply, its lines without codes."""

    code: int
    lines: tuple[str, ...]

    @property
    def is_positive(self) -> bool:
        """2xx, or 3xx."""
        return self.code < 400

    @property
    def status(self) -> str:
        """The enhanced code that begins the text (RFC 2034), or one made from the reply's class."""
        match = _STATUS.fullmatch(self.lines[0])
        if match is None or match[1][0] != str(self.code)[0]:
            return f"{str(self.code)[0]}.0.0"
        return match[1]

    @property
    def text(self) -> str:
        """All lines as one, as a report quotes it."""
        return " ".join(line for line in self.lines if line)


class ResponseReader:
    """Takes bytes as they come and gives complete replies."""

    def __init__(self) -> None:
        self._buffer = b""
        self._code = 0
        self._lines: list[str] = []

    @property
    def has_input(self) -> bool:
        """Whether something waits that belongs to no complete reply."""
        return bool(self._buffer or self._lines)

    def receive_data(self, data: bytes) -> None:
        """Takes bytes from the network."""
        self._buffer += data

    def responses(self) -> Iterator[Response]:
        """The replies that are complete; BadResponse."""
        while True:
            end = self._buffer.find(b"\n")
            if end < 0:
                if len(self._buffer) > LINE_LIMIT:
                    raise BadResponse("a line without an end")
                return
            # COMPAT: some servers end lines with a bare LF; a reply is no message, nothing is smuggled.
            line = self._buffer[:end].removesuffix(b"\r")
            self._buffer = self._buffer[end + 1 :]
            response = self._take(line)
            if response is not None:
                yield response

    def _take(self, line: bytes) -> Response | None:
        match = _LINE.fullmatch(line)
        if match is None or len(line) > LINE_LIMIT:
            raise BadResponse(f"not a reply: {line[:80].decode('utf-8', 'replace')}")
        code = int(match[1])
        if self._lines and code != self._code:
            raise BadResponse("a reply whose lines have different codes")  # RFC 5321 §4.2.1
        if len(self._lines) >= LINES_LIMIT:
            raise BadResponse("a reply without an end")
        self._code = code
        self._lines.append((match[3] or b"").decode("utf-8", "replace"))
        if match[2] == b"-":
            return None
        response = Response(code, tuple(self._lines))
        self._lines = []
        return response


def extensions(response: Response) -> Mapping[str, str]:
    """The keywords that EHLO's reply offers, with their parameters (RFC 5321 §4.1.1.1)."""
    found: dict[str, str] = {}
    for line in response.lines[1:]:
        keyword, _, parameters = line.partition(" ")
        if keyword.upper().startswith("AUTH="):  # COMPAT: Outlook's old spelling, sent beside the right one
            continue
        found.setdefault(keyword.upper(), parameters.strip())
    return found


def limits(parameters: str) -> Mapping[str, int]:
    """What LIMITS says (RFC 9422 §3); what is no number is passed over."""
    pairs = (word.partition("=") for word in parameters.split())
    return {
        name.upper(): int(value)
        for name, _, value in pairs
        if value.isascii() and value.isdigit() and len(value) <= 9
    }
