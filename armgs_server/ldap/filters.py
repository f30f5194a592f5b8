# SPDX-License-Identifier: Apache-2.0
"""Search filters (RFC 4511 §4.5.1.7): what they are, and how they are read.

How deep they nest and how many parts they have is bounded, so that no filter costs more than its sender.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from armgs_server.errors import Invalid, TooLarge
from armgs_server.ldap.ber import OCTET_STRING, SEQUENCE, Reader

# RFC 4511 §4.5.1: the choices of Filter and of SubstringFilter.
AND, OR, NOT, EQUALITY, SUBSTRINGS, GREATER, LESS, PRESENT, APPROX, EXTENSIBLE = (
    0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0x87, 0xA8, 0xA9,
)  # fmt: skip
INITIAL, ANY, FINAL = 0x80, 0x81, 0x82


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Filter


@dataclass(frozen=True, slots=True)
class Assertion:
    """An attribute and a value; `kind` is EQUALITY, GREATER, LESS or APPROX."""

    kind: int
    attribute: str
    value: str


@dataclass(frozen=True, slots=True)
class Substrings:
    attribute: str
    initial: str
    any: tuple[str, ...]
    final: str


@dataclass(frozen=True, slots=True)
class Present:
    attribute: str


@dataclass(frozen=True, slots=True)
class Extensible:
    """§4.5.1.7.7; `attribute` or `rule` may be missing, not both."""

    rule: str
    attribute: str
    value: str
    dn_attributes: bool


Filter: TypeAlias = And | Or | Not | Assertion | Substrings | Present | Extensible


@dataclass(frozen=True, slots=True)
class FilterLimits:
    """Settings `filter_depth` and `filter_parts`."""

    depth: int
    parts: int


def parse_filter(reader: Reader, limits: FilterLimits) -> Filter:
    """Reads the next element as a filter; Invalid, or TooLarge beyond the limits."""
    return _Parser(limits).parse(reader, 1)


class _Parser:
    def __init__(self, limits: FilterLimits) -> None:
        self._limits = limits
        self._parts = 0

    def parse(self, reader: Reader, depth: int) -> Filter:
        self._parts += 1
        if depth > self._limits.depth or self._parts > self._limits.parts:
            raise TooLarge("the filter has too many parts, or nests too deep")
        kind = reader.peek()
        if kind in (AND, OR):
            inner = reader.enter(kind)
            parts = []
            while inner.peek() >= 0:
                parts.append(self.parse(inner, depth + 1))
            # RFC 4526 §2: no parts at all are the absolute true and false.
            return And(tuple(parts)) if kind == AND else Or(tuple(parts))
        if kind == NOT:
            return Not(self.parse(reader.enter(kind), depth + 1))
        if kind in (EQUALITY, GREATER, LESS, APPROX):
            inner = reader.enter(kind)
            return Assertion(kind, inner.text(), _value(inner))
        if kind == SUBSTRINGS:
            return self._substrings(reader.enter(kind))
        if kind == PRESENT:
            return Present(reader.text(PRESENT))
        if kind == EXTENSIBLE:
            return _extensible(reader.enter(kind))
        raise Invalid("no such kind of filter")

    def _substrings(self, reader: Reader) -> Substrings:
        attribute, pieces = reader.text(), reader.enter(SEQUENCE)
        initial = final = ""
        middle: list[str] = []
        count = 0
        while (kind := pieces.peek()) >= 0:
            self._parts += 1
            if self._parts > self._limits.parts:
                raise TooLarge("the filter has too many parts")
            piece = _value(pieces, kind)
            # RFC 4511 §4.5.1.7.2: initial only first, final only last
            if final or (kind == INITIAL and count) or not piece:
                raise Invalid("the pieces of a substring are out of order, or empty")
            count += 1
            if kind == INITIAL:
                initial = piece
            elif kind == ANY:
                middle.append(piece)
            elif kind == FINAL:
                final = piece
            else:
                raise Invalid("no such piece of a substring")
        if not count:
            raise Invalid("a substring without pieces")
        return Substrings(attribute, initial, tuple(middle), final)


def _extensible(reader: Reader) -> Extensible:
    rule = reader.text(0x81) if reader.peek() == 0x81 else ""
    attribute = reader.text(0x82) if reader.peek() == 0x82 else ""
    value = _value(reader, 0x83)
    dn_attributes = reader.boolean(0x84) if reader.peek() == 0x84 else False
    if not rule and not attribute:
        raise Invalid("a match needs an attribute or a rule")
    return Extensible(rule, attribute, value, dn_attributes)


def _value(reader: Reader, tag: int = OCTET_STRING) -> str:
    """An assertion value. All attributes served here are text: what is not UTF-8 equals nothing."""
    return reader.read(tag).decode("utf-8", "replace")
