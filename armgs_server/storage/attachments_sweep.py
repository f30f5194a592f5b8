# SPDX-License-Identifier: Apache-2.0
"""Which managed attachments are still named by an object (RFC 8607), and the end of those that are not."""

from __future__ import annotations

from functools import partial

from armgs_server.errors import NotFound, OverQuota
from armgs_server.formats.icalendar_attach import is_named
from armgs_server.storage import Store, attachments, clock, keeping, scheduling
from armgs_server.storage.attachments import Attachment
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

PAGE = 200


async def holders(store: Store, owner: int, ical_uid: str, id_: str) -> list[Item]:
    """The objects of an owner that name an attachment."""
    found = await store.read(lambda tx: scheduling.find(tx, owner, ical_uid))
    holding = []
    for item, data in found:
        try:
            whole = data if data is not None else await store.blobs.read(item.blob)
        except NotFound:
            continue  # changed meanwhile
        if is_named(whole, id_):
            holding.append(item)
    return holding


async def sweep(store: Store, days: int) -> int:
    """Looks which attachments are named; removes those whose days are over. How many are gone."""
    gone, after = 0, (0, "", "")
    while page := await store.read(partial(attachments.page, after=after, limit=PAGE)):
        after = page[-1][:3]
        for attachment in page:
            is_held = await holders(store, attachment.owner, attachment.ical_uid, attachment.id)
            if is_held and attachment.removed:
                await _take_back(store, attachment)
            elif not is_held and not attachment.removed:
                await store.write(partial(_let_go, attachment=attachment))
            elif not is_held and await store.read(partial(_is_over, attachment=attachment, days=days)):
                await store.write(partial(attachments.remove, attachment=attachment))
                gone += 1
    return gone


async def _let_go(tx: Tx, attachment: Attachment) -> None:
    await attachments.let_go(tx, *attachment[:3])


async def _take_back(store: Store, attachment: Attachment) -> None:
    try:
        await store.write(partial(attachments.take_back, attachment=attachment))
    except OverQuota:
        return  # it stays as it is: nothing that an object names is ever removed


async def _is_over(tx: Tx, attachment: Attachment, days: int) -> bool:
    applies = await keeping.policy(tx, attachment.owner, "calendar")
    kept = max(days, applies.days) * clock.DAY
    return not applies.is_held and attachment.removed + kept <= clock.now()
