# SPDX-License-Identifier: Apache-2.0
"""Where a part of a name, address, unit, post or telephone occurs among everybody, from memory.

What is searched lies in blocks of BLOCK principals in the order of their numbers, each with one text; for
each three letters in a row (a trigram) one number says by its bits in which blocks they occur. So a search
reads the texts of a few blocks only. The answers are candidates: the caller compares them exactly.

Invariants:
- Read from the store when first used, then kept in step: what a message on the topic `directory` names is
  read again before the next answer. Disabled principals and chat rooms are not in it.
- A block forgets no trigram when a text changes: it is read in vain then, never passed over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from armgs_server.directory.finder import Finder
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
from armgs_server.directory.model import COLUMNS, TOPIC, Principal, from_row
from armgs_server.storage.bus import RemoteBus
from armgs_server.storage.tx import Tx

_PAGE: Final = 100  # principals read before others have their turn


class Listed(NamedTuple):
    """A principal with its other addresses."""

    principal: Principal
    aliases: tuple[str, ...]


class Unit(NamedTuple):
    name: str
    parent: int


class Index:
    """See the module's docstring. One for each process that searches."""

    def __init__(self, directory: Finder) -> None:
        self._directory = directory
        self.blocks: list[Block] = []
        self.units: dict[int, Unit] = {}
        self._heads: dict[tuple[int, int], Principal] = {}  # (department, unit) -> who leads it
        self._led: dict[int, tuple[int, int]] = {}
        self._places: dict[int, int] = {}  # id -> block * BLOCK + place in it
        self._trigrams: dict[str, int] = {}
        self._new: dict[int, set[str]] = {}  # block -> trigrams that are not in _trigrams yet
        self._changed: set[int] = set()
        self.generation = 0  # another after each change that this process has heard of
        self._is_loaded = False
        self._lock = asyncio.Lock()
        self._unsubscribe = directory.store.bus.subscribe(TOPIC, self._on_change)
        if isinstance(directory.store.bus, RemoteBus):
            directory.store.bus.on_gap(self._on_gap)

    def close(self) -> None:
        """Stops listening."""
        self._unsubscribe()

    async def refresh(self) -> None:
        """Brings the index in step with what this process has heard of; the first time it is read whole."""
        if self._is_loaded and not self._changed:
            return
        async with self._lock:
            if not self._is_loaded:
                await self._load()
            while self._changed:
                await self._catch_up()

    async def read(self, ids: Sequence[int]) -> list[Listed]:
        """The principals with these numbers that are there, from the store, in their order."""
        return await self._directory.store.read(lambda tx: _read(tx, ids)) if ids else []

    def line(self, principal_id: int) -> Line | None:
        """What is known of one principal."""
        place = self._places.get(principal_id)
        return None if place is None else self.blocks[place // BLOCK].lines[place % BLOCK]

    def leader(self, department: int, unit: int) -> Principal | None:
        """Who leads a unit, or the department where `unit` is 0."""
        return self._heads.get((department, unit))

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

    # Keeping

    async def _load(self) -> None:
        self.blocks, self.units, self._places, self._trigrams = [], {}, {}, {}
        self._heads, self._led = {}, {}
        self._changed.clear()  # what changes from here on is noted again
        store, after = self._directory.store, 0
        while page := await store.read(partial(_page, after=after, condition="kind = 'unit'")):
            for unit, _ in page:
                self.units[unit.id] = Unit(unit.name, unit.unit)
            after = page[-1].principal.id
        after = 0
        while page := await store.read(partial(_page, after=after, condition="kind <> 'chatroom'")):
            for listed in page:
                self._put(listed)
            self._note_trigrams()
            after = page[-1].principal.id
            await asyncio.sleep(0)
        self._is_loaded = True

    async def _catch_up(self) -> None:
        ids = sorted(self._changed)[:_PAGE]
        self._changed.difference_update(ids)
        there = {listed.principal.id: listed for listed in await self.read(ids)}
        for each in ids:
            listed = there.get(each)
            if listed is None:
                self._remove(each)
                self.units.pop(each, None)
                continue
            principal = listed.principal
            if principal.kind == "unit":
                known = self.units.get(each)
                self.units[each] = Unit(principal.name, principal.unit)
                if known is not None and known.name != principal.name:  # the texts of its people hold it
                    self._changed.update(line.id for line in self._lines() if line.unit == each)
            self._put(listed)
        self._note_trigrams()
        await asyncio.sleep(0)

    def _lines(self) -> Iterator[Line]:
        return (line for block in self.blocks for line in block.lines if line is not None)

    def _put(self, listed: Listed) -> None:
        principal = listed.principal
        if principal.kind == "chatroom":
            return
        place = self._places.get(principal.id)
        if place is None:
            place = self._add(principal.id)
        if principal.disabled:
            self._remove(principal.id)
            return
        number, position = divmod(place, BLOCK)
        block = self.blocks[number]
        block.lines[position] = Line(principal.id, principal.kind, principal.department, principal.unit)
        pieces = self._pieces(listed)
        block.open()[position] = "\0".join([piece.text for piece in pieces])
        self._new.setdefault(number, set()).update(*[piece.trigrams for piece in pieces])
        self._note_head(principal)

    def _note_trigrams(self) -> None:
        """Takes in those of the blocks that were changed: once for each block, not for each principal."""
        for number, new in self._new.items():
            bit = 1 << number
            for trigram in new:
                self._trigrams[trigram] = self._trigrams.get(trigram, 0) | bit
        self._new.clear()

    def _add(self, principal_id: int) -> int:
        """A new place, at the end: numbers only grow."""
        if not self.blocks or len(self.blocks[-1].lines) == BLOCK:
            self.blocks.append(Block())
        block = self.blocks[-1]
        block.open().append("")
        block.lines.append(None)
        self._places[principal_id] = place = (len(self.blocks) - 1) * BLOCK + len(block.lines) - 1
        return place

    def _remove(self, principal_id: int) -> None:
        place = self._places.get(principal_id)
        if place is not None:
            number, position = divmod(place, BLOCK)
            self.blocks[number].lines[position] = None
            self.blocks[number].open()[position] = ""
        led = self._led.pop(principal_id, None)
        if led is not None:
            del self._heads[led]

    def _note_head(self, principal: Principal) -> None:
        led = self._led.pop(principal.id, None)
        if led is not None:
            del self._heads[led]
        key = (principal.department, principal.unit)
        if principal.head and principal.kind == "person" and key not in self._heads:
            self._heads[key] = principal
            self._led[principal.id] = key

    def _pieces(self, listed: Listed) -> list[Piece]:
        """Everything by which a principal may be looked for."""
        principal, data = listed.principal, listed.principal.data
        name = piece(normal(principal.name))
        pieces = [name, *(piece(normal(each)) for each in (principal.address, *listed.aliases) if each)]
        pieces += [piece(digits(str(data[key]))) for key in ("telephone", "mobile") if data.get(key)]
        others = [principal.post, *(str(data[key]) for key in ("family", "given") if data.get(key))]
        if principal.kind != "unit" and principal.unit in self.units:
            others.append(self.units[principal.unit].name)
        pieces += [each for each in map(repeated_piece, others) if each.text not in name.text]
        return pieces

    def _on_change(self, data: bytes) -> None:
        self.generation += 1
        self._changed.add(int(data))

    def _on_gap(self) -> None:
        self.generation += 1
        self._is_loaded = False


async def _page(tx: Tx, after: int, condition: str) -> list[Listed]:
    rows = await tx.rows(
        f"SELECT {COLUMNS} FROM principal WHERE id > ? AND {condition} ORDER BY id LIMIT ?", after, _PAGE
    )
    if not rows:
        return []
    others = await tx.rows(
        "SELECT principal, address FROM alias WHERE principal BETWEEN ? AND ? ORDER BY address",
        rows[0][0],
        rows[-1][0],
    )
    return _listed([from_row(row) for row in rows], others)


async def _read(tx: Tx, ids: Sequence[int]) -> list[Listed]:
    places = ", ".join("?" * len(ids))
    rows = await tx.rows(f"SELECT {COLUMNS} FROM principal WHERE id IN ({places}) ORDER BY id", *ids)
    others = await tx.rows(
        f"SELECT principal, address FROM alias WHERE principal IN ({places}) ORDER BY address", *ids
    )
    return _listed([from_row(row) for row in rows], others)


def _listed(principals: list[Principal], rows: Sequence[tuple[int, str]]) -> list[Listed]:
    aliases: dict[int, list[str]] = {}
    for principal, address in rows:
        aliases.setdefault(principal, []).append(address)
    return [Listed(each, tuple(aliases.get(each.id, ()))) for each in principals]
