# SPDX-License-Identifier: Apache-2.0
"""Brings collections of one owner back from a backup into the store that is served, page by page.

Each page is one transaction through the core's own functions, so clients hear of it as of any change, and one
that is interrupted is gone on with by running the same again: what is there is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from armgs_server.cli.output import Bar
from armgs_server.cli.restore_bodies import Bodies
from armgs_server.cli.restore_copy import copied
from armgs_server.cli.restore_diary import Diary
from armgs_server.cli.restore_known import Known, Place, copy_uid, key_of
from armgs_server.cli.restore_places import home_of, open_target, shown, target_of
from armgs_server.cli.restore_plan import Result, Told, Wish
from armgs_server.config import DavSettings
from armgs_server.directory import birthdays
from armgs_server.directory.model import Principal
from armgs_server.errors import AlreadyExists, Conflict, DomainError, OverQuota, Temporary
from armgs_server.storage import (
    Store,
    chat_folders,
    collections,
    items,
    restored,
    returned,
    versions,
)
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.returned import CALENDARS, Gone, Returning
from armgs_server.storage.tx import Tx, Work

PAGE = 200
ATTEMPTS = 3  # to bring bytes that are collected again and again; each time the whole of them is brought
# Who are not the person's own collections: made of other things, and made again of them.
_MADE = ("control", "directory", "unit", "news")
T = TypeVar("T")
Chosen = Callable[[Collection, Sequence[str], Returning], bool]


@dataclass(frozen=True, slots=True)
class _Decided:
    each: Returning
    key: Hashable
    existing: Place | None = None  # whose bytes are replaced
    is_copy: bool = False  # under a UID of its own


def is_own(collection: Collection) -> bool:
    """Whether what is in it comes back: not what was removed there already, nor what follows from others."""
    if collection.kind not in returned.KINDS or collection.role in _MADE:
        return False
    return not (restored.is_inside(collection) or chat_folders.is_inside(collection))


class Merger:
    """From one owner of a backup to one of the store."""

    def __init__(
        self,
        source: Store,
        target: Store,
        dav: DavSettings,
        wish: Wish,
        diary: Diary,
    ) -> None:
        self.source = source
        self.target = target
        self.bodies = Bodies(source, target)
        self.rules = versions.rules(dav)
        self.wish = wish
        self.diary = diary
        self.of_owner: dict[tuple[int, str], Known] = {}

    async def run(
        self,
        old: Principal,
        new: Principal,
        trees: Sequence[tuple[Collection, Sequence[str]]],
        chosen: Chosen | None,
        *,
        dry_run: bool,
    ) -> Result:
        """Brings what is chosen of these collections; with `dry_run` only tells what it would."""
        result = Result()
        self.of_owner.clear()
        with Bar(f"Restoring {old.address}") as bar:
            for collection, path in trees:
                if is_own(collection):
                    one = _One(self, collection, path, new, chosen, dry_run, bar)
                    told = await one.run()
                    if told.new or told.same or told.differs or told.refused:
                        result.collections.append(told)
        return result

    async def write(self, work: Work[T]) -> T:
        """In a transaction that is in the journal of acts."""
        done = await self.target.write(work)
        self.diary.committed()
        return done


class _One:
    """One collection."""

    def __init__(
        self,
        merger: Merger,
        collection: Collection,
        path: Sequence[str],
        person: Principal,
        chosen: Chosen | None,
        dry_run: bool,
        bar: Bar,
    ) -> None:
        self._merger = merger
        self._collection = collection
        self._path = path
        self._person = person
        self._chosen = chosen
        self._dry_run = dry_run
        self._bar = bar
        self._wish = merger.wish
        self._at = target_of(self._wish, person, collection, path)
        self._told = Told(person.address, collection.kind, shown(path), self._at.shown)
        self._made: Collection | None = None
        self._there = Known()  # in the collection where things go
        self._now = Known()  # in what the person has, without what was restored beside it

    async def run(self) -> Told:
        await self._learn()
        is_lacking = self._made is None and not self._collection.items and self._chosen is None
        if self._wish.in_place and is_lacking and not self._dry_run:
            await self._merger.write(self._open_alone)
        after = 0
        while page := await self._merger.source.read(
            partial(
                items.scan,
                owner=self._collection.owner,
                collection=self._collection.id,
                after_uid=after,
                limit=PAGE,
            )
        ):
            after = page[-1].uid
            found = await self._merger.source.read(
                partial(returned.load, collection=self._collection, page=page)
            )
            await self._page([each for each in found if self._is_chosen(each)])
            self._bar.advance(len(page))
        return self._told

    def _is_chosen(self, each: Returning) -> bool:
        return self._chosen is None or self._chosen(self._collection, self._path, each)

    async def _learn(self) -> None:
        owner, kind = self._person.id, self._collection.kind

        async def work(tx: Tx) -> None:
            self._made = await self._at.find(tx, owner)
            if self._made is not None:
                self._there = await Known.of_collection(tx, self._made)
            if kind in ("addressbook", "files"):
                home = await home_of(self._collection, self._path).find(tx, owner)
                if home is not None:
                    self._now = await Known.of_collection(tx, home)
                return
            among = (owner, "mail" if kind == "mail" else "calendar")
            if among not in self._merger.of_owner:
                self._merger.of_owner[among] = await Known.of_owner(tx, owner, kind)
            self._now = self._merger.of_owner[among]

        await self._merger.target.read(work)

    async def _page(self, found: Sequence[Returning]) -> None:
        todo = [made for made in map(self._decide, found) if made is not None]
        if self._dry_run:
            for each in todo:
                self._done(each, Place(0, 0, each.each.item.blob))
            return
        await self._bring(todo)

    def _decide(self, each: Returning) -> _Decided | None:
        """What is to be done about one thing, if anything; counts it."""
        kind, key, blob = self._collection.kind, key_of(self._collection.kind, each), each.item.blob
        now = self._now.place(key)
        made: _Decided | None = None
        if now is None:
            state, made = "new", _Decided(each, key)
        elif now.blob == blob:
            state = "same"
        else:
            state = "differs"
        if self._wish.in_place:
            if state == "differs" and self._wish.replace:
                made = _Decided(each, key, existing=now)
        elif kind in CALENDARS:
            if state == "differs" and not self._wish.missing:
                key = copy_uid(each.id, blob)
                made = _Decided(each, key, is_copy=True)
        elif state != "new" and not self._wish.missing:
            made = _Decided(each, key)
        if not self._wish.in_place and self._there.place(key) is not None:
            state, made = "same", None
        self._told.count(each.id, each.title, each.item.size, state)
        return made

    async def _bring(self, todo: Sequence[_Decided]) -> None:
        """One transaction for all; where that is refused, one for each, to find whose fault it is."""
        for attempt in range(ATTEMPTS):
            wanted = [body for each in todo for body in each.each.bodies]
            refs = await self._merger.bodies.refs(wanted, anew=attempt > 0)
            whole = [one for one in todo if all(digest in refs for digest, _ in one.each.bodies)]
            places: Sequence[Place] = []
            if whole:
                ready = [await self._ready(one, refs) for one in whole]
                try:
                    places = await self._merger.write(partial(self._write, ready=ready, refs=refs))
                except Gone:
                    continue
                except Temporary:
                    raise
                except DomainError as error:
                    await self._refused(whole, error)
            for one, place in zip(whole, places, strict=False):  # none where they were refused
                self._done(one, place)
            for one in todo:
                if one not in whole:
                    self._told.refuse(one.each.id, one.each.title, "the backup has lost its bytes")
            return
        raise Temporary("bytes are collected as fast as they are brought")

    async def _refused(self, whole: Sequence[_Decided], error: DomainError) -> None:
        """Each by itself; a quota that is full ends it all."""
        if len(whole) > 1:
            for one in whole:
                await self._bring([one])
        elif isinstance(error, OverQuota):
            raise error
        else:
            self._told.refuse(whole[0].each.id, whole[0].each.title, error.text)

    async def _ready(self, one: _Decided, refs: dict[bytes, BlobRef]) -> _Decided:
        if not one.is_copy:
            return one
        stores = self._merger.source, self._merger.target
        return replace(one, each=await copied(one.each, str(one.key), *stores, refs))

    def _done(self, one: _Decided, place: Place) -> None:
        self._told.brought += 1
        self._told.bytes += one.each.size
        self._there.note(one.key, place)
        if self._wish.in_place or self._collection.kind in CALENDARS:
            self._now.note(one.key, place)

    async def _write(self, tx: Tx, ready: Sequence[_Decided], refs: Mapping[bytes, BlobRef]) -> list[Place]:
        places = []
        target = await self._open(tx) if any(one.existing is None for one in ready) else None
        for one in ready:
            if one.existing is not None:
                there = await items.get(tx, self._person.id, one.existing.collection, one.existing.uid)
                if there is None or there.blob != one.existing.blob:
                    raise Conflict("somebody has changed it meanwhile")
                item = await returned.replace(tx, there, one.each, refs, self._merger.rules)
            else:
                assert target is not None, "it is open where something is added"
                item = await self._add(tx, target, one, refs)
            if "card" in one.each.beside:
                await birthdays.follow(tx, item.owner, one.each.id)
            places.append(Place(item.collection, item.uid, item.blob))
        if ready:
            await self._merger.diary.note(tx)
        return places

    async def _add(self, tx: Tx, target: Collection, one: _Decided, refs: Mapping[bytes, BlobRef]) -> Item:
        name = one.each.item.name
        if name is not None and target.kind == "files":
            if await collections.find(tx, target.owner, "files", name, target.id) is not None:
                raise AlreadyExists("a folder has this name")
        elif name is not None and await items.by_name(tx, target.owner, target.id, name) is not None:
            raise AlreadyExists("something else has this name")
        return await returned.add(tx, target, one.each, refs, name)

    async def _open_alone(self, tx: Tx) -> None:
        await self._open(tx)
        await self._merger.diary.note(tx)

    async def _open(self, tx: Tx) -> Collection:
        """Where things go, made where it is missing."""
        return await open_target(tx, self._person.id, self._at)
