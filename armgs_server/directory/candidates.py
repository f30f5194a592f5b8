# SPDX-License-Identifier: Apache-2.0
"""What a search needs to contain, in words of no protocol, and the principals of the index that may have it.

Nobody who fits is left out; who does not fit may be among them, so the caller compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from armgs_server.directory.index import Index
from armgs_server.directory.index_block import BLOCK, Block, Line
from armgs_server.directory.index_contents import Contents


@dataclass(frozen=True, slots=True)
class Has:
    """A part of a text, in the form of `index_block.normal` or `digits`."""

    needle: str


@dataclass(frozen=True, slots=True)
class Among:
    ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Both:
    """All of the parts."""

    parts: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of the parts; none of them fits nobody."""

    parts: tuple[Need, ...]


Need: TypeAlias = Has | Among | Both | Either


def both(parts: list[Need | None]) -> Need | None:
    """All of the parts; None is a part that anybody has."""
    known = tuple(dict.fromkeys(part for part in parts if part is not None))
    return known[0] if len(known) == 1 else Both(known) if known else None


def either(parts: list[Need | None]) -> Need | None:
    """One of the parts; None is a part that anybody has."""
    known = tuple(dict.fromkeys(part for part in parts if part is not None))
    if any(part is None for part in parts):
        return None
    return known[0] if len(known) == 1 else Either(known)


def candidates(index: Index, need: Need | None, after: int) -> Iterator[list[tuple[int, Line]]]:
    """Principals behind a place (-1: from the beginning), each with its place, some at a time."""
    contents = index.contents
    blocks = contents.every_block if need is None else _blocks(contents, need)
    first = (after + 1) // BLOCK
    blocks = blocks >> first << first
    while blocks:
        lowest = blocks & -blocks
        blocks ^= lowest
        number = lowest.bit_length() - 1
        yield [each for each in _lines(contents, number, need) if each[0] > after]


def candidates_backwards(index: Index, need: Need | None, before: int) -> Iterator[list[tuple[int, Line]]]:
    """The same before a place (-1: from the end), the last ones first."""
    contents = index.contents
    blocks = contents.every_block if need is None else _blocks(contents, need)
    if before >= 0:
        blocks &= (1 << (before // BLOCK + 1)) - 1
    while blocks:
        number = blocks.bit_length() - 1
        blocks ^= 1 << number
        lines = _lines(contents, number, need)
        yield [each for each in reversed(lines) if before < 0 or each[0] < before]


def _lines(contents: Contents, number: int, need: Need | None) -> list[tuple[int, Line]]:
    """Those of a block that may have it, each with its place."""
    block, base = contents.blocks[number], number * BLOCK
    places = range(len(block.lines)) if need is None else sorted(_places(block, need))
    return [(base + place, line) for place in places if (line := block.lines[place]) is not None]


def _blocks(contents: Contents, need: Need) -> int:
    match need:
        case Has(needle):
            return contents.blocks_with(needle)
        case Among(ids):
            return contents.blocks_of(ids)
        case Both(parts):
            found = contents.every_block
            for part in parts:
                found &= _blocks(contents, part)
            return found
        case Either(parts):
            found = 0
            for part in parts:
                found |= _blocks(contents, part)
            return found


def _places(block: Block, need: Need) -> set[int]:
    match need:
        case Has(needle):
            return block.find(needle)
        case Among(ids):
            return {at for at, line in enumerate(block.lines) if line is not None and line.id in ids}
        case Both(parts):
            found = _places(block, parts[0])
            for part in parts[1:]:
                if not found:
                    break
                found &= _places(block, part)
            return found
        case Either(parts):
            return set().union(*(_places(block, part) for part in parts))
