# SPDX-License-Identifier: Apache-2.0
"""`armgs undelete`: what was deleted by mistake comes back to where it was.

Mail comes from Restored (storage.restored), as its owner could bring it back, too; calendar objects, tasks,
contacts and whatever a rule or a hold has kept from `kept` (storage.keeping). Deleted files are in `.trash`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path

import click

from armgs_server.cli.output import print_record
from armgs_server.cli.removed import removed
from armgs_server.cli.times import range_of, range_options
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.directory import birthdays
from armgs_server.errors import AlreadyExists, Invalid
from armgs_server.formats import icalendar, mime, vcard
from armgs_server.storage import (
    calindex,
    cards,
    collections,
    items,
    keeping,
    mail,
    mailboxes,
    restored,
    transfer,
)
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.keeping import Kept
from armgs_server.storage.tx import Tx

BATCH = 200
Index = Callable[[Tx, Item], Awaitable[None]]


@click.command()
@click.argument("address")
@range_options
@click.option("--kind", type=click.Choice(keeping.KINDS), default=None, help="Only things of one kind.")
@config_option
@json_option
def undelete(
    address: str,
    since: datetime | None,
    to: datetime | None,
    kind: str | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Brings back what ADDRESS has deleted: mail, calendars, contacts. What is there again is left out."""

    async def work(workplace: Workplace) -> dict[str, object]:
        owner = (await workplace.principal(address)).id
        begin, end = range_of(since, to)
        back = left_out = 0
        if kind in (None, "mail"):
            back += await bring_mail_back(workplace, owner, begin, end)
        async for each in removed(workplace, owner, begin, end, kind or ""):
            if each.kind in keeping.KINDS:
                if await bring_back(workplace, each):
                    back += 1
                else:
                    left_out += 1
        return {"address": address, "brought_back": back, "left_out": left_out}

    print_record(as_json, work_on(config_path, work))


async def bring_mail_back(workplace: Workplace, owner: int, since: int, to: int) -> int:
    """Moves from Restored what was expunged in that time; how many messages."""
    count = 0
    for place, path in await workplace.store.read(lambda tx: restored.mailboxes_of(tx, owner)):
        after = 0
        while page := await workplace.store.read(
            lambda tx, place=place, after=after: items.scan(tx, owner, place.id, after, BATCH)  # type: ignore[misc]
        ):
            after = page[-1].uid
            chosen = [item for item in page if since <= item.modified < to]

            async def work(
                tx: Tx,
                chosen: Sequence[Item] = chosen,
                place: Collection = place,
                path: Sequence[str] = path,
            ) -> None:
                still = await items.by_uids(tx, owner, place.id, [item.uid for item in chosen])
                await transfer.move(tx, still, place, await _collection(tx, owner, "mail", path))

            if chosen:
                await workplace.store.write(work)
                count += len(chosen)
    return count


async def bring_back(workplace: Workplace, kept: Kept) -> bool:
    """One thing to where it was; False where there is another of its name or UID, or it cannot be read."""
    data = await workplace.store.blobs.read(kept.blob)
    try:
        index = _index(kept, data)
    except Invalid:
        return False

    async def work(tx: Tx) -> None:
        where = await _collection(tx, kept.owner, kept.kind, kept.path.split("/"), kept.collection)
        item = await items.add(
            tx,
            where,
            BlobRef(kept.blob, kept.size, None),
            name=kept.name or None,
            content_type=kept.content_type,
            created=kept.created,
            flags=kept.flags & ~items.Flags.DELETED,
            keywords=kept.keywords,
        )
        await index(tx, item)
        await keeping.forget(tx, kept)

    try:
        await workplace.store.write(work)
    except AlreadyExists:
        return False
    return True


def _index(kept: Kept, data: bytes) -> Index:
    """What is written beside an item of the kind."""
    if kept.kind == "mail":
        message = mime.index(data)
        return lambda tx, item: mail.put_index(tx, item, message)
    if kept.kind in ("calendar", "tasks"):
        entry = calindex.entry(icalendar.check(data))
        return lambda tx, item: calindex.put(tx, item, entry)
    if kept.kind == "addressbook":
        card = vcard.check(data)
        return lambda tx, item: _put_card(tx, item, card)
    return _nothing


async def _put_card(tx: Tx, item: Item, card: vcard.Card) -> None:
    if await cards.put(tx, item, card):
        await birthdays.follow(tx, item.owner, card.uid)


async def _nothing(tx: Tx, item: Item) -> None:
    """Files have no index."""


async def _collection(tx: Tx, owner: int, kind: str, path: Sequence[str], number: int = 0) -> Collection:
    """Where it was: the same collection, or one of its name, made where it is missing."""
    for each in await collections.all_of(tx, owner, kind):
        if each.id == number and not mailboxes.is_empty_name(each) and not restored.is_inside(each):
            return each
    names = list(path)
    if names[0].partition(" ")[0] == restored.NAME and kind == "mail" and len(names) > 1:
        names = names[1:]
    parent = 0
    for name in names[:-1]:
        above = await collections.find(tx, owner, kind, name, parent)
        above = above or await collections.create(tx, owner, kind, name, parent=parent, subscribed=1)
        parent = above.id
    found = await collections.find(tx, owner, kind, names[-1], parent)
    if found is None:
        return await collections.create(tx, owner, kind, names[-1], parent=parent, subscribed=1)
    return await mailboxes.revive(tx, found, "", 1) if mailboxes.is_empty_name(found) else found
