# SPDX-License-Identifier: Apache-2.0
"""Lexical tokens of a script: RFC 5228 §8.1.

One pass, each character looked at a bounded number of times. Line ends may be bare LF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple

from armgs_server.errors import Invalid

# RFC 5228 §2.4.1: implementations must support 0 to 2^31 - 1.
MAX_NUMBER: Final = 2**63 - 1
_QUANTIFIERS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Kind(Enum):
    """What a token is."""

    IDENTIFIER = "identifier"
    TAG = "tag"
    NUMBER = "number"
    STRING = "string"
    MARK = "mark"
    END = "end of the script"


class Token(NamedTuple):
    """`value` is an identifier or tag in lower case, a number, a string without its quotes, or a mark."""

    kind: Kind
    value: str | int
    line: int


# text: *(SP / HTAB) (hash-comment / CRLF); it goes before identifiers, one of which it begins like.
_TEXT: Final = re.compile(r"text:[ \t]*(?:#[^\n]*)?\r?\n", re.IGNORECASE)
_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\r\n]+|\#[^\n]*|/\*.*?\*/)"
    r"|(?P<number>[0-9]+)(?P<quantifier>[KMGkmg]?)(?![A-Za-z0-9_])"
    r'|"(?P<quoted>(?:[^"\\]|\\.)*+)"'
    r"|:(?P<tag>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<identifier>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<mark>[][(){},;])",
    re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_LAST_LINE: Final = re.compile(r"^\.\r?(?:\n|\Z)", re.MULTILINE)


def parse_tokens(script: bytes) -> Iterator[Token]:
    """The tokens in order, the last one END. Invalid."""
    text = _decode(script)
    position, line = 0, 1
    while position < len(text):
        multiline = _TEXT.match(text, position) if text[position] in "tT" else None
        if multiline is not None:
            end = _LAST_LINE.search(text, multiline.end())
            if end is None:
                raise Invalid("a multi-line string has no end", line)
            # RFC 5228 §2.4.2: dot-stuffing
            value = re.sub(r"(?m)^\.\.", ".", text[multiline.end() : end.start()])
            yield Token(Kind.STRING, value, line)
            found = end.end()
        else:
            token = _TOKEN.match(text, position)
            if token is None:
                raise Invalid(_complaint(text, position), line)
            if token["space"] is None:
                yield _token(token, line)
            found = token.end()
        line += text.count("\n", position, found)
        position = found
    yield Token(Kind.END, "", line)


def _decode(script: bytes) -> str:
    try:
        text = script.decode("utf-8")
    except UnicodeDecodeError as error:
        line = script.count(b"\n", 0, error.start) + 1
        raise Invalid("a script is UTF-8", line) from error
    if "\0" in text:
        raise Invalid("a script holds no NUL", text.count("\n", 0, text.index("\0")) + 1)
    return text.removeprefix("\ufeff")


def _token(found: re.Match[str], line: int) -> Token:
    if (identifier := found["identifier"]) is not None:
        return Token(Kind.IDENTIFIER, identifier.lower(), line)
    if (quoted := found["quoted"]) is not None:
        return Token(Kind.STRING, _ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted, line)
    if (tag := found["tag"]) is not None:
        return Token(Kind.TAG, tag.lower(), line)
    if (mark := found["mark"]) is not None:
        return Token(Kind.MARK, mark, line)
    if len(found["number"]) > len(str(MAX_NUMBER)):
        raise Invalid("a number is too large", line)
    number = int(found["number"]) * _QUANTIFIERS[found["quantifier"].lower()]
    if number > MAX_NUMBER:
        raise Invalid("a number is too large", line)
    return Token(Kind.NUMBER, number, line)


def _complaint(text: str, position: int) -> str:
    if text[position] == '"':
        return "a string has no end"
    if text.startswith("/*", position):
        return "a comment has no end"
    return f"{text[position]!r} means nothing here"
