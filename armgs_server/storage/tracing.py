# SPDX-License-Identifier: Apache-2.0
"""Where the copies of a message lie: in mailboxes, in the archives of chat, in calendars. For an
administrator's question only: all is gone through owner by owner, since no index over all of them is worth
its cost at each delivery."""

from __future__ import annotations

from dataclasses import dataclass, field

from armgs_server.storage import archive
from armgs_server.storage.tx import Tx, Value

_COPY = (
    "SELECT m.owner, m.uid, c.name, i.created, m.sender, m.message_id, i.blob FROM message m"
    " JOIN item i ON i.owner = m.owner AND i.collection = m.collection AND i.uid = m.uid"
    " JOIN collection c ON c.owner = m.owner AND c.id = m.collection"
)
_SAID = "SELECT owner, id, peer, stanza_id FROM archive WHERE owner = ? AND "
_MEETING = (
    "SELECT e.owner, e.ical_uid, c.name, i.modified FROM collection c"
    " JOIN event e ON e.owner = c.owner AND e.collection = c.id"
    " JOIN item i ON i.owner = e.owner AND i.collection = e.collection AND i.uid = e.uid"
    " WHERE c.owner = ? AND c.kind IN ('calendar', 'tasks') AND e.ical_uid = ?"
)


@dataclass(frozen=True, slots=True)
class Copy:
    """A message in a mailbox."""

    owner: int
    uid: int
    mailbox: str
    created: int
    sender: str
    message_id: str
    blob: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """A chat message in somebody's archive, or in a room's; `id` tells when."""

    owner: int
    id: int
    peer: str
    stanza_id: str  # as its sender has named it


@dataclass(frozen=True, slots=True)
class Meeting:
    """A calendar object, or a task."""

    owner: int
    ical_uid: str
    calendar: str
    modified: int


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for; any of it."""

    since: int
    message_ids: tuple[str, ...] = ()
    stanza_ids: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()  # ids in archives
    ical_uids: tuple[str, ...] = ()
    arrived: tuple[int, int] | None = None  # every message that has come between these moments


@dataclass(slots=True)
class Page:
    """What some owners have. `last`: the owner to go on after; None at the end."""

    copies: list[Copy] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    meetings: list[Meeting] = field(default_factory=list)
    last: int | None = None


async def look(tx: Tx, sought: Sought, *, after: int, limit: int) -> Page:
    """What the next owners have of it, people, units and rooms alike."""
    rows = await tx.rows(
        "SELECT owner FROM account WHERE owner > ? UNION SELECT owner FROM chatroom WHERE owner > ?"
        " ORDER BY owner LIMIT ?",
        *(after, after, limit),
    )
    page = Page(last=rows[-1][0] if len(rows) == limit else None)
    for (owner,) in rows:
        await _look_at(tx, owner, sought, page)
    return page


async def _look_at(tx: Tx, owner: int, sought: Sought, page: Page) -> None:
    for message_id in sought.message_ids:
        sql = f"{_COPY} WHERE m.owner = ? AND m.message_id = ? AND i.created >= ?"
        page.copies += [Copy(*row) for row in await tx.rows(sql, owner, message_id, sought.since)]
    if sought.arrived is not None:
        sql = f"{_COPY} WHERE m.owner = ? AND i.created BETWEEN ? AND ?"
        page.copies += [Copy(*row) for row in await tx.rows(sql, owner, *sought.arrived)]
    conditions: list[tuple[str, tuple[Value, ...]]] = [("id = ?", (number,)) for number in sought.numbers]
    conditions += [
        ("id >= ? AND stanza_id = ?", (archive.first_id(sought.since), each)) for each in sought.stanza_ids
    ]
    for condition, values in conditions:
        page.said += [Said(*row) for row in await tx.rows(_SAID + condition, owner, *values)]
    for ical_uid in sought.ical_uids:
        page.meetings += [Meeting(*row) for row in await tx.rows(_MEETING, owner, ical_uid)]


async def arrived(tx: Tx, *, owner: int, since: int, limit: int) -> list[Copy]:
    """What has come into somebody's mailboxes since; the newest, the oldest of them first."""
    sql = f"{_COPY} WHERE m.owner = ? AND i.created >= ? ORDER BY i.created DESC LIMIT ?"
    return [Copy(*row) for row in reversed(await tx.rows(sql, owner, since, limit))]


async def waits_for_device(tx: Tx, said: Said) -> bool:
    """Whether no device of the owner has taken the message yet (XEP-0160)."""
    mark = f"id='{said.id}'".encode()  # XEP-0359
    rows = await tx.rows("SELECT stanza FROM offline WHERE owner = ?", said.owner)
    return any(mark in bytes(stanza) for (stanza,) in rows)


async def room_of(tx: Tx, owner: int) -> str:
    """The address of a room; "" where the owner is none."""
    return str(await tx.value("SELECT address FROM chatroom WHERE owner = ?", owner) or "")
