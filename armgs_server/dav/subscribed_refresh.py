# SPDX-License-Identifier: Apache-2.0
"""Fetches subscribed calendars again and again, and makes their objects what the source says."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from armgs_server import log
from armgs_server.errors import DomainError, Invalid, NotFound
from armgs_server.formats.icalendar_split import split
from armgs_server.net.fetch import Bounds, Fetched, fetch
from armgs_server.service import Core
from armgs_server.storage import calindex, clock, collections, items, subscribed
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.calindex import Entry
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.subscribed import Subscription
from armgs_server.storage.tx import Tx
from armgs_server.storage.waiting_work import WaitingWork

KEY = "source"
CLAIM_LIMIT = 4  # fetched at the same time by one process
MAX_DOUBLINGS = 5  # of the interval, while a source fails
BATCH = 100  # objects written in one transaction
CONTENT_TYPE = "text/calendar; charset=utf-8"

_log = log.get("subscribed")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object of the source."""

    ref: BlobRef
    entry: Entry


class Refresher:
    """Takes what is due out of the store; one in each process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._work = WaitingWork(core.store, subscribed.TOPIC, "subscribed", self._look)

    async def start(self) -> None:
        """Begins to look."""
        self._work.start()

    async def stop(self) -> None:
        """Ends; what was being fetched is fetched again."""
        await self._work.stop()

    async def _look(self) -> int | None:
        lease = round((2 * self._core.config.dav.subscription_timeout + 60) * clock.SECOND)
        while taken := await self._work.take(subscribed.claim, CLAIM_LIMIT, lease):
            await asyncio.gather(*map(self._refresh, taken))
        return await self._core.store.read(subscribed.next_due)

    async def _refresh(self, taken: Subscription) -> None:
        store, interval = self._core.store, self._core.config.dav.subscription_interval
        try:
            collection = await store.read(lambda tx: collections.get(tx, taken.owner, taken.collection))
            answer = await self._fetch(collection, taken.etag)
            if answer.status == 200:
                await self._take(collection, answer.body)
        except NotFound:
            _log.debug("a subscribed calendar has gone", owner=taken.owner)
        except DomainError as error:
            wait = interval * 2 ** min(taken.failures, MAX_DOUBLINGS)
            _log.info("a subscribed calendar is not fetched", owner=taken.owner, error=error)
            await store.write(
                partial(subscribed.failed, taken=taken, due=_after(wait), error=error.text or "failed")
            )
        else:
            etag = answer.headers.get("etag", "") if answer.status == 200 else taken.etag
            await store.write(partial(subscribed.fetched, taken=taken, due=_after(interval), etag=etag[:200]))

    async def _fetch(self, collection: Collection, etag: str) -> Fetched:
        settings = self._core.config.dav
        bounds = Bounds(
            settings.subscription_size, settings.subscription_timeout, settings.subscription_networks
        )
        fields = {"Accept": "text/calendar", **({"If-None-Match": etag} if etag else {})}
        return await fetch(str(collection.data[KEY]), self._core.config.limits, bounds, fields)

    async def _take(self, collection: Collection, body: bytes) -> None:
        """Adds, replaces and removes, a batch in a transaction; what is the same stays untouched."""
        settings, blobs = self._core.config.dav, self._core.store.blobs
        found = await asyncio.to_thread(split, body)
        if not found.parts and found.refused:
            raise Invalid(f"no calendar: {found.refused[0]}")
        if len(found.parts) > settings.subscription_events:
            raise Invalid(f"more than {settings.subscription_events} objects")
        present = await self._present(collection)
        wanted: dict[str, Wanted] = {}
        for part in found.parts:
            if len(part.data) > settings.calendar_size:
                continue
            name = hashlib.sha256(part.object.uid.encode("utf-8", "surrogatepass")).hexdigest()[:40] + ".ics"
            ref = await blobs.put(part.data)
            if name not in present or present[name].blob != ref.hash:
                entry = await asyncio.to_thread(calindex.entry, part.object)
                wanted[name] = Wanted(ref, entry)
            else:
                present.pop(name)
        changed = [name for name in wanted]
        gone = [item for name, item in present.items() if name not in wanted]
        for at in range(0, len(gone), BATCH):
            uids = [item.uid for item in gone[at : at + BATCH]]
            await self._core.store.write(partial(_remove, collection=collection, uids=uids))
        for at in range(0, len(changed), BATCH):
            part_of = {name: wanted[name] for name in changed[at : at + BATCH]}
            await self._core.store.write(
                partial(_put, collection=collection, wanted=part_of, present=present)
            )

    async def _present(self, collection: Collection) -> dict[str, Item]:
        present: dict[str, Item] = {}
        after = 0
        while page := await self._core.store.read(
            partial(items.scan, owner=collection.owner, collection=collection.id, after_uid=after)
        ):
            after = page[-1].uid
            present.update({item.name or "": item for item in page})
        return present


def _after(seconds: float) -> int:
    """Not all at the same time."""
    return clock.now() + round(seconds * random.uniform(1.0, 1.1) * clock.SECOND)


async def _remove(tx: Tx, collection: Collection, uids: Sequence[int]) -> None:
    await items.remove(tx, collection, uids)


async def _put(
    tx: Tx, collection: Collection, wanted: Mapping[str, Wanted], present: Mapping[str, Item]
) -> None:
    for name, each in wanted.items():
        before = present.get(name)
        if before is not None:
            item = await items.replace(tx, before, each.ref, CONTENT_TYPE)
        else:
            item = await items.add(tx, collection, each.ref, name=name, content_type=CONTENT_TYPE)
        await calindex.put(tx, item, each.entry)
