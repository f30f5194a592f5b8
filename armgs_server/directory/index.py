# SPDX-License-Identifier: Apache-2.0
"""Where a part of a name, address, unit, post or telephone occurs among everybody, from memory.

What is searched lies in blocks of BLOCK principals in the order of their numbers, each with one text; for
each three letters in a row (a trigram) one number says by its bits in which blocks they occur. So a search
reads the texts of a few blocks only. The answers are candidates: the caller compares them exactly.

Invariants:
- Read from the store when first used, then kept in step: what a message on the topic `directory` names is
  read again before the next answer. Disabled principals and chat rooms are not in it.
- A block forgets no trigram when a text changes: it is read in vain then, never passed over.
- `contents` is another object after it was read anew: a search keeps to the one that it began with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from armgs_server.directory.finder import Finder
from armgs_server.directory.index_block import Line
from armgs_server.directory.index_contents import Contents, Listed, Unit
from armgs_server.directory.model import COLUMNS, TOPIC, Principal, from_row
from armgs_server.storage.bus import RemoteBus
from armgs_server.storage.tx import Tx

_PAGE: Final = 100  # principals read before others have their turn


class Index:
    """See the module's docstring. One for each process that searches."""

    def __init__(self, directory: Finder) -> None:
        self._directory = directory
        self.contents = Contents()
        self._changed: dict[int, int] = {}  # id -> generation of its last change
        self.generation = 0  # another after each change that this process has heard of
        self._is_loaded = False
        self._gaps = 0  # times in which messages may have been missed
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
            while not self._is_loaded:
                await self._load()
            while self._changed:
                await self._catch_up()

    async def read(self, ids: Sequence[int]) -> list[Listed]:
        """The principals with these numbers that are there, from the store, in their order."""
        return await self._directory.store.read(lambda tx: _read(tx, ids)) if ids else []

    @property
    def units(self) -> Mapping[int, Unit]:
        return self.contents.units

    def line(self, principal_id: int) -> Line | None:
        """What is known of one principal."""
        return self.contents.line(principal_id)

    def leader(self, department: int, unit: int) -> Principal | None:
        """Who leads a unit, or the department where `unit` is 0."""
        return self.contents.leader(department, unit)

    # Keeping

    async def _load(self) -> None:
        contents, gaps = Contents(), self._gaps
        self._changed.clear()  # what changes from here on is noted again
        store, after = self._directory.store, 0
        while page := await store.read(partial(_page, after=after, condition="kind = 'unit'")):
            for unit, _ in page:
                contents.units[unit.id] = Unit(unit.name, unit.unit)
            after = page[-1].principal.id
        after = 0
        while page := await store.read(partial(_page, after=after, condition="kind <> 'chatroom'")):
            for listed in page:
                contents.put(listed)
            contents.note_trigrams()
            after = page[-1].principal.id
            await asyncio.sleep(0)
        self.contents = contents
        self._is_loaded = gaps == self._gaps

    async def _catch_up(self) -> None:
        ids = sorted(self._changed)[:_PAGE]
        asked = [self._changed[each] for each in ids]
        there = {listed.principal.id: listed for listed in await self.read(ids)}
        contents = self.contents
        # Only now: who asks meanwhile has to wait, and a reading that fails or is given up has done nothing.
        for each, generation in zip(ids, asked, strict=True):
            if self._changed[each] == generation:
                del self._changed[each]
        renamed: set[int] = set()
        for each in ids:
            listed = there.get(each)
            if listed is None:
                contents.remove(each)
                contents.units.pop(each, None)
                continue
            principal = listed.principal
            if principal.kind == "unit":
                known = contents.units.get(each)
                contents.units[each] = Unit(principal.name, principal.unit)
                if known is None or known.name != principal.name:
                    renamed.add(each)
            contents.put(listed)
        contents.note_trigrams()
        if renamed:  # the texts of their people hold the name
            people = (line.id for line in contents.lines() if line.unit in renamed and line.kind != "unit")
            self._changed.update(dict.fromkeys(people, self.generation))
        await asyncio.sleep(0)

    def _on_change(self, data: bytes) -> None:
        self.generation += 1
        self._changed[int(data)] = self.generation

    def _on_gap(self) -> None:
        self.generation += 1
        self._is_loaded = False
        self._gaps += 1


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
