# SPDX-License-Identifier: Apache-2.0
"""Address lists of header fields: RFC 5322 §3.4, with the obsolete forms of §4.4.

Made for ENVELOPE: the parts stay raw bytes, encoded words included, comments become names where
there is no other. Any bytes at all are taken; what is no address becomes a mailbox without a host.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# name-addr or addr-spec without comments, quotes or route: nearly all mail that is sent. Quantifiers are
# possessive so that no input takes longer than its length.
_SIMPLE = re.compile(
    rb"[ \t]*+(?:([^\"(),:;<>@\[\]\\\r\n]*+)<([^\"(),:;<>@\[\]\\\s]++)@([^\"(),:;<>@\\\s]++)>"
    rb"|([^\"(),:;<>@\[\]\\\s]++)@([^\"(),:;<>@\\\s]++))[ \t]*+"
)
_TOKEN = re.compile(
    rb'\s+|"(?:[^"\\]|\\.)*"?|\[[^\]]*\]?|\(|[<>@,;:]|\\.|[^\s"\[(<>@,;:\\]+|\\',
    re.DOTALL,
)
_COMMENT_PIECE = re.compile(rb"\\.|[()]|[^\\()]+|\\", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
# More addresses than this in one field are left out of the envelope; the field itself keeps them.
MAX_ADDRESSES = 2000


class Mailbox(NamedTuple):
    """RFC 9051 address: `host` None opens (`mailbox` set) or closes (`mailbox` None) a group."""

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


def parse_address_list(value: bytes) -> list[Mailbox]:
    """All addresses of an unfolded field value."""
    result: list[Mailbox] = []
    position = 0
    while position < len(value) and len(result) < MAX_ADDRESSES:
        found = _SIMPLE.match(value, position)
        if found is None or value[found.end() : found.end() + 1] not in (b",", b""):
            return result + _Parser(value, position).parse(MAX_ADDRESSES - len(result))
        name, local, host, bare_local, bare_host = found.groups()
        result.append(Mailbox((name and name.strip()) or None, None, local or bare_local, host or bare_host))
        position = found.end() + 1
    return result


def _unquote(token: bytes) -> bytes:
    token = token[1:-1] if len(token) > 1 and token.endswith(b'"') else token[1:]
    return _ESCAPED.sub(rb"\1", token) if b"\\" in token else token


class _Parser:
    """One pass over the tokens; `words` gathers a phrase or local part until its meaning is known."""

    def __init__(self, value: bytes, position: int) -> None:
        self.value = value
        self.position = position
        self.result: list[Mailbox] = []
        self.in_group = False
        self._clear()

    def _clear(self) -> None:
        self.words: list[bytes] = []
        self.comment: bytes | None = None
        self.angle: bytes | None = None  # what stood between < and >
        self.host: list[bytes] | None = None

    def parse(self, limit: int) -> list[Mailbox]:
        while self.position < len(self.value) and len(self.result) < limit:
            found = _TOKEN.match(self.value, self.position)
            if found is None:  # cannot be: the token pattern takes any byte
                break
            self.position = found.end()
            self._take(found[0])
        self._end_address()
        if self.in_group:
            self.result.append(Mailbox(None, None, None, None))
        return self.result

    def _take(self, token: bytes) -> None:
        first = token[:1]
        if first == b"(":
            self._take_comment()
        elif first == b",":
            self._end_address()
        elif first == b"<":
            self._take_angle()
        elif first == b":" and not self.in_group and self.host is None and self.angle is None:
            self.result.append(Mailbox(None, None, self._phrase() or b"", None))
            self.in_group = True
            self._clear()
        elif first == b";":
            self._end_address()
            if self.in_group:
                self.result.append(Mailbox(None, None, None, None))
                self.in_group = False
        elif first == b"@" and self.angle is None:
            self.host = []
        elif first.isspace():
            if self.host is None and self.words and self.words[-1] != b" ":
                self.words.append(b" ")
        else:
            word = _unquote(token) if first == b'"' else token
            (self.words if self.host is None else self.host).append(word)

    def _take_comment(self) -> None:
        start, self.position = self.position, _skip_comment(self.value, self.position)
        text = self.value[start : self.position].removesuffix(b")")
        self.comment = _ESCAPED.sub(rb"\1", text).strip()

    def _take_angle(self) -> None:
        end = self.value.find(b">", self.position)
        comma = self.value.find(b",", self.position)
        # A missing ">" ends at the comma; a route (<@a,@b:c@d>) has commas of its own.
        if end < 0:
            end = len(self.value) if comma < 0 else comma
            self.angle = self.value[self.position : end].strip()
            self.position = end
        else:
            self.angle = self.value[self.position : end].strip()
            self.position = end + 1

    def _phrase(self) -> bytes | None:
        return b"".join(self.words).strip() or None

    def _end_address(self) -> None:
        name = self._phrase()
        if self.angle is not None:
            if self.host is not None:  # COMPAT: an unquoted @ in the display name
                name = (name or b"") + b"@" + b"".join(self.host)
            self.result.append(_addr_spec(self.angle, name or self.comment))
        elif self.host is not None:
            local = b"".join(self.words).strip()
            self.result.append(Mailbox(self.comment, None, local, b"".join(self.host)))
        elif name is not None:
            self.result.append(Mailbox(self.comment, None, name, b""))
        self._clear()


def _skip_comment(value: bytes, position: int) -> int:
    """Where a comment ends that began before `position`; comments nest."""
    depth = 1
    while depth and (found := _COMMENT_PIECE.match(value, position)):
        position = found.end()
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
    return position


def _without_comments(value: bytes) -> bytes:
    """RFC 5322 §3.4.1, §4.4: comments and white space between the parts of an address are none of it."""
    pieces = []
    position = 0
    while found := _TOKEN.match(value, position):
        position = found.end()
        if found[0] == b"(":
            position = _skip_comment(value, position)
        elif not found[0].isspace():
            pieces.append(found[0])
    return b"".join(pieces)


def _addr_spec(angle: bytes, name: bytes | None) -> Mailbox:
    if b"(" in angle or b" " in angle or b"\t" in angle:
        angle = _without_comments(angle)
    route = None
    if angle.startswith(b"@") and b":" in angle:  # obs-route
        route, _, angle = angle.partition(b":")
    local, at, host = angle.rpartition(b"@")
    if not at:
        local, host = host, b""
    if local.startswith(b'"') and local.endswith(b'"') and len(local) > 1:
        local = _unquote(local)
    return Mailbox(name, route, local, host)
