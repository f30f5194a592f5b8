# SPDX-License-Identifier: Apache-2.0
"""Scheduling objects (RFC 6638): where an owner has one, and its schedule tag.

The tag lies in the item's keywords: it is read with the row, and a plain event costs nothing for it.
"""

from __future__ import annotations

from armgs_server.storage import collections, members
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

INBOX = "schedule-inbox"
OUTBOX = "schedule-outbox"
# The key, in the data of an inbox, of the calendar that takes invitations: its name.
DEFAULT = "default-calendar"
# In the data of an outbox: who acts for its owner, {"read": [principal …], "write": […]}.
PROXIES = "calendar-proxy"


async def tag(tx: Tx, item: Item, value: str) -> Item:
    """Sets the tag of an item that the same transaction has added or replaced."""
    await tx.execute(
        "UPDATE item SET keywords = ? WHERE owner = ? AND collection = ? AND uid = ?",
        value,
        item.owner,
        item.collection,
        item.uid,
    )
    return item._replace(keywords=value)


async def find(tx: Tx, owner: int, ical_uid: str) -> list[tuple[Item, bytes | None]]:
    """The objects with a UID in all calendars and task lists of an owner; bytes where they lie in the row."""
    rows = await tx.rows(
        "SELECT e.collection, e.uid FROM collection c"
        " JOIN event e ON e.owner = c.owner AND e.collection = c.id AND e.ical_uid = ?"
        " WHERE c.owner = ? AND c.kind IN ('calendar', 'tasks') ORDER BY e.collection",
        ical_uid,
        owner,
    )
    found: list[tuple[Item, bytes | None]] = []
    for collection, uid in rows:
        found += await members.by_uids(tx, owner, collection, [uid])
    return found


async def tagged(tx: Tx, collection: Collection) -> list[Item]:
    """The scheduling objects of a calendar, or of one below it."""
    rows = await tx.rows(
        "SELECT uid FROM item WHERE owner = ? AND collection = ? AND keywords <> '' ORDER BY uid",
        collection.owner,
        collection.id,
    )
    found: list[Item] = []
    for (uid,) in rows:
        found += [item for item, _ in await members.by_uids(tx, collection.owner, collection.id, [uid])]
    return found


async def default_calendar(tx: Tx, owner: int, component: str) -> Collection | None:
    """Where invitations of an owner go: what the inbox names, else the one it was provisioned with."""
    if component == "VTODO":
        tasks = await collections.by_role(tx, owner, "tasks", "default")
        if tasks is not None:
            return tasks
    inbox = await collections.by_role(tx, owner, INBOX, "default")
    chosen = inbox.data.get(DEFAULT) if inbox is not None else None
    if chosen:
        calendar = await collections.find(tx, owner, "calendar", str(chosen))
        if calendar is not None:
            return calendar
    return await collections.by_role(tx, owner, "calendar", "default")


async def outbox(tx: Tx, owner: int) -> Collection | None:
    """Where an owner's messages go out."""
    return await collections.by_role(tx, owner, OUTBOX, "default")


def proxies(outbox: Collection | None, mode: str) -> list[int]:
    """Who acts for the owner of an outbox."""
    said = outbox.data.get(PROXIES, {}) if outbox is not None else {}
    return [int(each) for each in said.get(mode, ())]
