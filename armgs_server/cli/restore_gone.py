# SPDX-License-Identifier: Apache-2.0
"""Who was removed comes back from a backup: first the row with nobody let in, then everything owned, page by
page, last the ties to others. One that is cut off is gone on with by running the same again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeVar

from armgs_server.cli.output import Bar
from armgs_server.cli.restore_bodies import Bodies
from armgs_server.cli.restore_diary import Diary
from armgs_server.cli.restore_places import shown
from armgs_server.cli.restore_plan import SHOWN, Result, Told, Wish
from armgs_server.cli.restore_session import Between
from armgs_server.directory import lookup, returned_ties
from armgs_server.directory import returned as coming_back
from armgs_server.directory.model import Principal
from armgs_server.directory.returned import Begun
from armgs_server.directory.returned_ties import Numbers, Past
from armgs_server.errors import Conflict, Temporary
from armgs_server.storage import archive_returned, clock, collections, items, returned, returned_accounts
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.migrations import Table
from armgs_server.storage.returned import Gone, Returning
from armgs_server.storage.returned_accounts import MADE
from armgs_server.storage.tx import Row, Tx, Work

ATTEMPTS = 3
T = TypeVar("T")


class Comeback:
    """Of one principal. `begin`, `fill`, `finish`, in this order."""

    def __init__(self, between: Between, diary: Diary, numbers: Numbers, past: Past) -> None:
        self._between = between
        self._diary = diary
        self._numbers = numbers
        self._past = past
        self._bodies = Bodies(between.then.store, between.now.store)
        self._account: Row | None = None
        self._collections: list[Collection] = []
        self._is_estate = False
        self.old = past.principal
        self.number = 0

    @classmethod
    async def of(cls, between: Between, diary: Diary, numbers: Numbers, old: Principal) -> Comeback:
        then = between.then.store
        made = cls(between, diary, numbers, await then.read(partial(returned_ties.read, principal=old)))
        made._account, made._collections = await then.read(partial(returned_accounts.of, owner=old.id))
        return made

    async def begin(self) -> None:
        """The row, unless an earlier run has made it. Conflict where that was from another backup."""
        backup = self._between.generation.path.name

        async def work(tx: Tx) -> Begun:
            number = await self._numbers.of(tx, self.old.id)
            begun = await coming_back.begun(tx, number) if number else None
            if begun is None:
                owned = (self._account, self._collections)
                return await coming_back.begin(tx, self._past, self._numbers, backup, owned)
            if begun.backup != backup:
                raise Conflict(f"{self.old.address} is coming back from {begun.backup}: go on with that one")
            return begun

        begun = await self._write(work, is_directory=True)
        self.number, self._is_estate = begun.number, begun.is_estate
        self._numbers.note(self.old.id, self.number)

    async def fill(self, result: Result) -> None:
        """Everything owned. What is there since stays, and only what is missing comes to it."""
        if self._is_estate:
            await self._merge(result)
        with Bar(f"Restoring {self.old.address or self.old.name}") as bar:
            for collection, path in [] if self._is_estate else await self._tree():
                told = await self._items(collection, path, bar)
                if told.new or told.same or told.refused:
                    result.collections.append(told)
            if not self._is_estate:
                await self._versions(bar)
            await self._beside(bar)
            await self._archive(result, bar)

    async def _merge(self, result: Result) -> None:
        found = await self._between.now.store.read(partial(lookup.existing, principal_id=self.number))
        trees = await self._between.trees(self.old.id)
        wish = Wish(self._between.generation.created, in_place=True)
        merged = await self._between.merge((self.old, found), trees, wish, self._diary)
        result.collections += merged.collections

    async def finish(self, result: Result) -> None:
        """Lets in."""
        quota = int(self._account[1]) if self._account is not None else 0

        async def work(tx: Tx) -> list[str]:
            if not await coming_back.begun(tx, self.number):
                return []
            return await coming_back.finish(tx, self._past, self._numbers, quota, clock.now())

        result.remarks += await self._write(work, is_directory=True)

    async def plan(self, result: Result) -> None:
        """What would come back."""
        for collection, path in await self._tree():
            if not collection.items:
                continue
            told = Told(self.old.address, collection.kind, shown(path), shown(path))
            told.new = told.brought = collection.items
            told.bytes = collection.bytes
            page = await self._then(
                partial(items.scan, owner=self.old.id, collection=collection.id, limit=SHOWN)
            )
            for start in range(0, len(page), returned_accounts.PAGE):
                part = page[start : start + returned_accounts.PAGE]
                for each in await self._then(partial(returned.load, collection=collection, page=part)):
                    told.name(each.id, each.title, each.item.size, "new")
            result.collections.append(told)

    async def _tree(self) -> list[tuple[Collection, tuple[str, ...]]]:
        kinds = dict.fromkeys(each.kind for each in self._collections)
        found = []
        for kind in kinds:
            for each in await self._then(partial(returned.tree, owner=self.old.id, kind=kind)):
                if each[0].role not in MADE:
                    found.append(each)
        return found

    async def _items(self, collection: Collection, path: Sequence[str], bar: Bar) -> Told:
        told = Told(self.old.address, collection.kind, shown(path), shown(path))
        after = 0
        scan = partial(items.scan, owner=self.old.id, collection=collection.id, limit=returned_accounts.PAGE)
        while page := await self._then(partial(scan, after_uid=after)):
            after = page[-1].uid
            found = await self._then(partial(returned.load, collection=collection, page=page))
            lost = await self._put_items(collection, found, told)
            for each in lost:
                told.refuse(each.id, each.title, "the backup has lost its bytes")
            bar.advance(len(page))
        return told

    async def _put_items(
        self, collection: Collection, found: Sequence[Returning], told: Told
    ) -> list[Returning]:
        """One transaction; those whose bytes the backup has lost."""
        for attempt in range(ATTEMPTS):
            bodies = [body for each in found for body in each.bodies]
            refs = await self._bodies.refs(bodies, anew=attempt > 0)
            ready = [each for each in found if all(digest in refs for digest, _ in each.bodies)]

            put = partial(self._put_page, collection=collection.id, ready=ready, refs=refs)
            try:
                added = await self._write(put)
            except Gone:
                continue
            told.new += len(added)
            told.brought += len(added)
            told.same += len(ready) - len(added)
            told.bytes += sum(each.size for each in added)
            return [each for each in found if each not in ready]
        raise Temporary("bytes are collected as fast as they are brought")

    async def _put_page(
        self, tx: Tx, collection: int, ready: Sequence[Returning], refs: Mapping[bytes, BlobRef]
    ) -> list[Returning]:
        there = await collections.get(tx, self.number, collection)
        return await returned_accounts.put_items(tx, there, ready, refs)

    async def _versions(self, bar: Bar) -> None:
        """Earlier states of files; those whose bytes are lost stay away."""
        after: Row | None = None
        at, size = returned_accounts.VERSION_BLOB, returned_accounts.VERSION_SIZE
        while rows := await self._then(partial(returned_accounts.versions, owner=self.old.id, after=after)):
            after = rows[-1]
            refs = await self._bodies.refs([(row[at], row[size]) for row in rows], anew=True)
            kept = [row for row in rows if row[at] in refs]
            await self._write(
                partial(returned_accounts.put_versions, owner=self.number, rows=kept, refs=refs)
            )
            bar.advance(len(rows))

    async def _beside(self, bar: Bar) -> None:
        for table in returned_accounts.beside():
            if self._is_estate and "collection" in table.columns:
                continue  # what is there since may have other collections
            after: Row | None = None
            while rows := await self._then(
                partial(returned_accounts.page, table=table, owner=self.old.id, after=after)
            ):
                after = rows[-1]
                await self._write(partial(self._put_rows, table=table, rows=rows))
                bar.advance(len(rows))

    async def _put_rows(self, tx: Tx, table: Table, rows: Sequence[Row]) -> None:
        column = returned_accounts.PRINCIPALS.get(table.name)
        if column is not None:
            at = table.columns.index(column)
            rows = [(*row[:at], await self._numbers.of(tx, row[at]), *row[at + 1 :]) for row in rows]
        await returned_accounts.put_rows(tx, table, rows, self.number)

    async def _archive(self, result: Result, bar: Bar) -> None:
        told = Told(self.old.address, "chat", "archive", "archive")
        after = 0
        while rows := await self._then(
            partial(archive_returned.page, owner=self.old.id, after=after, limit=returned_accounts.PAGE)
        ):
            after = rows[-1][0]
            lacking = await self._between.now.store.read(
                partial(archive_returned.missing, owner=self.number, rows=rows)
            )
            if lacking:
                await self._write(partial(archive_returned.put, owner=self.number, rows=lacking))
            told.same += len(rows) - len(lacking)
            told.new += len(lacking)
            told.brought += len(lacking)
            told.bytes += sum(len(row[-1]) for row in lacking)
            bar.advance(len(rows))
        if told.new or told.same:
            result.collections.append(told)

    async def _then(self, work: Work[T]) -> T:
        return await self._between.then.store.read(work)

    async def _write(self, work: Work[T], *, is_directory: bool = False) -> T:
        """In a transaction that is in the journal of acts."""

        async def noted(tx: Tx) -> T:
            result = await work(tx)
            await self._diary.note(tx)
            return result

        now = self._between.now
        result = await (now.directory.apply(noted) if is_directory else now.store.write(noted))
        self._diary.committed()
        return result
