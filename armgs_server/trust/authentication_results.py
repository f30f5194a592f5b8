# SPDX-License-Identifier: Apache-2.0
"""The Authentication-Results: field: RFC 8601. What this server found, for filters and mail programs.

Invariant: a message leaves us with no such field under our name but our own (RFC 8601 §5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from armgs_server.config import Config
from armgs_server.trust.fields import Field, split_fields

FIELD = b"authentication-results"
# Values are strangers' words: what is longer than any domain or address is cut.
LONGEST_VALUE = 320
# Comments before a server's name, and the name, are not longer in anybody's field that means well.
LONGEST_NAME = 2000

_TOKEN = re.compile(r"[!#$%&'*+.^_`{|}~0-9A-Za-z-]+")
_SPACE = re.compile(r"[ \t\r\n]*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
# pvalue as it may stand without quotes: a token, or [local-part] "@" domain (RFC 8601 §2.2)
_PLAIN = re.compile(r"[!#$%&'*+.^_`{|}~0-9A-Za-z-]*@?[!#$%&'*+.^_`{|}~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class MethodResult:
    """resinfo of RFC 8601 §2.2. `properties`: ("smtp.mailfrom", value) …"""

    method: str
    result: str
    properties: Sequence[tuple[str, str]] = ()
    reason: str = ""
    comment: str = ""

    def text(self) -> str:
        """The part of the field, without its ";"."""
        words = [f"{self.method}={self.result}"]
        if self.comment:
            words.append(f"({_plain_text(self.comment)})")
        if self.reason:
            words.append(f"reason={_value(self.reason, quoted=True)}")
        words += [f"{name}={_value(value)}" for name, value in self.properties if value]
        return " ".join(words)


def payload(authserv_id: str, results: Sequence[MethodResult]) -> str:
    """What stands behind the colon, folded; also in ARC-Authentication-Results (RFC 8617 §4.1.1)."""
    parts = [result.text() for result in results] or ["none"]
    return f"{authserv_id};\r\n\t" + ";\r\n\t".join(parts)


def serialise(authserv_id: str, results: Sequence[MethodResult]) -> bytes:
    """The whole field."""
    return f"Authentication-Results: {payload(authserv_id, results)}\r\n".encode()


def parse_authserv_id(text: str) -> str:
    """Who claims to have written the field, in lower case; "" where nobody is named."""
    return _name_at(text, _skip(text, 0))


def is_of(field: Field, authserv_id: str) -> bool:
    """Whether the field is an Authentication-Results: of that server, or hides whose it is."""
    if field.name != FIELD:
        return False
    text = field.text[:LONGEST_NAME]
    start = _skip(text, 0)
    return start > LONGEST_NAME // 2 or _name_at(text, start) == authserv_id.lower()


def own_id(config: Config) -> str:
    """Our authserv-id (RFC 8601 §2.5)."""
    return config.trust.authserv_id or config.server.hostname


def without_ours(head: bytes, config: Config) -> bytes:
    """RFC 8601 §5: a header without results that claim to be ours; mostly it is the one that was given."""
    if FIELD not in head.lower():
        return head
    fields = split_fields(head)
    kept = [field for field in fields if not is_of(field, own_id(config))]
    if len(kept) == len(fields):
        return head
    return b"".join(field.raw for field in kept) + b"\r\n"


def result_of(text: str, method: str) -> str:
    """What a field of our own says of a method; "" where it says nothing."""
    for part in text.split(";")[1:]:
        name, equals, rest = part.strip().partition("=")
        if name == method and equals:
            return rest.split()[0] if rest.split() else ""
    return ""


def _name_at(text: str, position: int) -> str:
    quoted = _QUOTED.match(text, position)
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL).lower()
    token = _TOKEN.match(text, position)
    return token[0].lower() if token else ""


def _skip(text: str, position: int) -> int:
    """CFWS (RFC 5322 §3.2.2): blanks and nested comments."""
    while True:
        blank = _SPACE.match(text, position)
        assert blank is not None  # it matches nothing, too
        position = blank.end()
        if position >= len(text) or text[position] != "(":
            return position
        depth = 0
        while position < len(text):
            char = text[position]
            position += 2 if char == "\\" else 1
            depth += {"(": 1, ")": -1}.get(char, 0)
            if not depth:
                break


def _value(text: str, *, quoted: bool = False) -> str:
    clean = "".join(char if char.isprintable() else "?" for char in text[:LONGEST_VALUE])
    if not quoted and _PLAIN.fullmatch(clean):
        return clean
    escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _plain_text(text: str) -> str:
    """A comment that cannot end early."""
    return re.sub(r"[^\w .,:;=/+-]", "?", text[:LONGEST_VALUE])
