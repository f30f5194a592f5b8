# SPDX-License-Identifier: Apache-2.0
"""What an index holds of everybody in use: blocks of texts, trigrams, units and who leads them.

Nothing here waits: whoever searches while the index is read anew goes on with the contents it began with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sys import intern
from typing import NamedTuple

from armgs_server.directory.index_block import (
    BLOCK,
    Block,
    Line,
    Piece,
    digits,
    normal,
    piece,
    repeated_piece,
    trigrams,
)
from armgs_server.directory.model import ORGANISATION, Principal

_NAMES = ("family", "given", ORGANISATION)


class Listed(NamedTuple):
    """A principal with its other addresses."""

    principal: Principal
    aliases: tuple[str, ...]


class Unit(NamedTuple):
    name: str
    parent: int


class Contents:
    """See the module's docstring."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.units: dict[int, Unit] = {}
        self._heads: dict[tuple[int, int], dict[int, Principal]] = {}  # (department, unit) -> its heads
        self._led: dict[int, tuple[int, int]] = {}
        self._places: dict[int, int] = {}  # id -> block * BLOCK + place in it
        self._trigrams: dict[str, int] = {}
        self._alike: dict[int, int] = {}  # numbers of departments and units
        self._new: dict[int, set[str]] = {}  # block -> trigrams that are not in _trigrams yet

    def line(self, principal_id: int) -> Line | None:
        """What is known of one principal."""
        place = self._places.get(principal_id)
        return None if place is None else self.blocks[place // BLOCK].lines[place % BLOCK]

    def place(self, principal_id: int) -> int:
        """Where a principal is; -1 for one who is not here."""
        return self._places.get(principal_id, -1)

    def lines(self) -> Iterator[Line]:
        """What is known of everybody."""
        return (line for block in self.blocks for line in block.lines if line is not None)

    def leader(self, department: int, unit: int) -> Principal | None:
        """Who leads a unit, or the department where `unit` is 0: of several heads the first."""
        heads = self._heads.get((department, unit))
        return heads[min(heads)] if heads else None

    def blocks_with(self, needle: str) -> int:
        """A number whose bits are the blocks in which the needle may occur."""
        found = self.every_block
        for trigram in trigrams(needle):
            found &= self._trigrams.get(trigram, 0)
        return found

    def blocks_of(self, ids: Iterable[int]) -> int:
        """A number whose bits are the blocks that hold some of these principals."""
        found = 0
        for each in ids:
            place = self._places.get(each)
            if place is not None:
                found |= 1 << (place // BLOCK)
        return found

    @property
    def every_block(self) -> int:
        return (1 << len(self.blocks)) - 1

    def put(self, listed: Listed) -> None:
        """Takes in a principal as it is now; note_trigrams() must follow."""
        principal = listed.principal
        if principal.kind == "chatroom":
            return
        place = self._places.get(principal.id)
        if place is None:
            place = self._add(principal.id)
        if principal.disabled:
            self.remove(principal.id)
            return
        number, position = divmod(place, BLOCK)
        block = self.blocks[number]
        # What many have alike is kept once: the store gives each row objects of its own.
        department, unit = (
            self._alike.setdefault(each, each) for each in (principal.department, principal.unit)
        )
        block.lines[position] = Line(principal.id, intern(principal.kind), department, unit)
        pieces = self._pieces(listed)
        block.open()[position] = "\0".join([piece.text for piece in pieces])
        self._new.setdefault(number, set()).update(*[piece.trigrams for piece in pieces])
        self._note_head(principal)

    def note_trigrams(self) -> None:
        """Takes in those of the blocks that were changed: once for each block, not for each principal."""
        for number, new in self._new.items():
            bit = 1 << number
            for trigram in new:
                self._trigrams[trigram] = self._trigrams.get(trigram, 0) | bit
        self._new.clear()

    def remove(self, principal_id: int) -> None:
        """Forgets a principal, but not its place."""
        place = self._places.get(principal_id)
        if place is not None:
            number, position = divmod(place, BLOCK)
            self.blocks[number].lines[position] = None
            self.blocks[number].open()[position] = ""
        self._forget_head(principal_id)

    def _add(self, principal_id: int) -> int:
        """A new place, at the end: numbers only grow."""
        if not self.blocks or len(self.blocks[-1].lines) == BLOCK:
            self.blocks.append(Block())
        block = self.blocks[-1]
        block.open().append("")
        block.lines.append(None)
        self._places[principal_id] = place = (len(self.blocks) - 1) * BLOCK + len(block.lines) - 1
        return place

    def _note_head(self, principal: Principal) -> None:
        self._forget_head(principal.id)
        if principal.head and principal.kind == "person":
            self._led[principal.id] = key = principal.department, principal.unit
            self._heads.setdefault(key, {})[principal.id] = principal

    def _forget_head(self, principal_id: int) -> None:
        led = self._led.pop(principal_id, None)
        if led is not None:
            del self._heads[led][principal_id]
            if not self._heads[led]:
                del self._heads[led]

    def _pieces(self, listed: Listed) -> list[Piece]:
        """Everything by which a principal may be looked for."""
        principal, data = listed.principal, listed.principal.data
        name = piece(normal(principal.name))
        pieces = [
            name,
            *(piece(normal(each)) for each in (principal.address, *principal.mails, *listed.aliases) if each),
        ]
        pieces += [piece(digits(str(data[key]))) for key in ("telephone", "mobile") if data.get(key)]
        others = [principal.post, *(str(data[key]) for key in _NAMES if data.get(key))]
        if principal.kind != "unit" and principal.unit in self.units:
            others.append(self.units[principal.unit].name)
        pieces += [each for each in map(repeated_piece, others) if each.text not in name.text]
        return pieces
