# SPDX-License-Identifier: Apache-2.0
"""XEP-0313: the message archive of a person or a room.

An id carries the time its message was archived (microseconds << 10, then ten random bits), so the order
of ids is the order of time, and a time range is a range of ids: paging, `start` and `end` all read the
primary key. An id is drawn inside the transaction, above the last one of its archive; where others write
meanwhile that one is in `archive_end`, whose row stays locked until the commit. So ids are in the order of
commits too, whatever clocks say, and a reader who has seen an id has seen all before it.

Words are searched by the full-text index, which follows the archive (storage.archive_search); what takes
a message out of the archive takes it out of the index.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from armgs_server.storage import archive_search, chat_folders, clock, fulltext, keeping
from armgs_server.storage.fulltext import CHAT, Term
from armgs_server.storage.tx import Row, Tx, Value

_TIME_SHIFT = 10  # clock.unique_id
_INSERT = (
    "INSERT INTO archive (owner, id, peer, resource, sent, stanza_id, stanza) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_LAST = "SELECT MAX(id) FROM archive WHERE owner = ?"
_LAST_TIME = (1 << 63 - _TIME_SHIFT) - 1  # in the year 2255


class Entry(NamedTuple):
    """A message to be archived; `peer` and `resource` are the other side's, in a room the nick."""

    owner: int
    peer: str
    stanza_id: str
    stanza: bytes
    resource: str = ""


@dataclass(frozen=True, slots=True)
class ArchivedMessage:
    """One row: `stanza` is the `<message/>` as delivered, with from, to and xmlns."""

    id: int
    sent: int
    peer: str
    stanza: bytes


@dataclass(frozen=True, slots=True)
class ArchiveQuery:
    """Which messages: all that are given must hold. Ids are exclusive bounds, times inclusive ones."""

    peer: str = ""
    resource: str = ""
    start: int | None = None
    end: int | None = None
    after: int | None = None
    before: int | None = None
    ids: tuple[int, ...] = ()
    terms: tuple[Term, ...] | None = None  # words that must be in it
    backwards: bool = False  # the page next to the upper bound, not to the lower one
    offset: int = 0  # messages passed over before the page
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Page:
    """Messages in order of time; `complete` when nothing of the query lies beyond the page."""

    messages: tuple[ArchivedMessage, ...]
    complete: bool


async def append(tx: Tx, owner: int, peer: str, stanza_id: str, stanza: bytes, sent: int = 0) -> int:
    """Archives one message; its archive id. With `sent`, one of the past (an import)."""
    if not sent:
        return (await append_all(tx, [Entry(owner, peer, stanza_id, stanza)]))[0]
    id_ = sent << _TIME_SHIFT | (clock.unique_id() & ((1 << _TIME_SHIFT) - 1))
    await tx.execute(_INSERT, owner, id_, peer, "", sent, stanza_id, stanza)
    if await fulltext.end(tx, owner, CHAT) >= id_:
        await fulltext.begin(tx, owner, CHAT)
        await fulltext.advance(tx, owner, CHAT, id_ - 1)
    return id_


async def append_all(tx: Tx, entries: Sequence[Entry]) -> list[int]:
    """Archives several at once, in their order; their archive ids."""
    ids = await _draw(tx, [entry.owner for entry in entries])
    await tx.executemany(
        _INSERT,
        [
            (owner, id_, peer, resource, id_ >> _TIME_SHIFT, stanza_id, stanza)
            for id_, (owner, peer, stanza_id, stanza, resource) in zip(ids, entries, strict=True)
        ],
    )
    return ids


async def _draw(tx: Tx, owners: Sequence[int]) -> list[int]:
    """A new id in the archive of each, rising."""
    if not owners:
        return []
    distinct = sorted(set(owners))  # one order for all, so nobody deadlocks
    if tx.is_serial:
        rows = await tx.rows(" UNION ALL ".join([_LAST] * len(distinct)), *distinct)
        first = max(clock.unique_id(), *((last or 0) + 1 for (last,) in rows))
        return list(range(first, first + len(owners)))
    most = len(owners) - len(distinct) + 1
    wanted = [(owner, clock.unique_id() + most) for owner in distinct]
    rows = await tx.rows(
        f"INSERT INTO archive_end (owner, last) VALUES {', '.join(['(?, ?)'] * len(wanted))}"
        " ON CONFLICT (owner) DO UPDATE SET last = CASE WHEN archive_end.last + CAST(? AS BIGINT)"
        " > excluded.last THEN archive_end.last + CAST(? AS BIGINT) ELSE excluded.last END"
        " RETURNING owner, last",
        *(value for pair in wanted for value in pair),
        most,
        most,
    )
    rising = {owner: itertools.count(last - most + 1) for owner, last in rows}
    return [next(rising[owner]) for owner in owners]


async def page(tx: Tx, owner: int, query: ArchiveQuery) -> Page:
    """One page of what the query selects."""
    where, args = _where(owner, query)
    order = "DESC" if query.backwards else "ASC"
    rows = await tx.rows(
        f"SELECT id, sent, peer, stanza FROM archive WHERE {where} ORDER BY id {order} LIMIT ? OFFSET ?",
        *args,
        query.limit + 1,
        query.offset,
    )
    complete = len(rows) <= query.limit
    rows = rows[: query.limit]
    if query.backwards:
        rows.reverse()
    return Page(tuple(_from_row(row) for row in rows), complete)


async def count(tx: Tx, owner: int, query: ArchiveQuery, limit: int = 0) -> int:
    """How many messages the query selects; with `limit` no more than that are looked for."""
    where, args = _where(owner, query)
    if not limit:
        return int(await tx.value(f"SELECT COUNT(*) FROM archive WHERE {where}", *args))
    some = f"SELECT id FROM archive WHERE {where} LIMIT ?"
    return int(await tx.value(f"SELECT COUNT(*) FROM ({some}) AS found", *args, limit))


async def contains(tx: Tx, owner: int, ids: Sequence[int]) -> bool:
    """Whether every one of the ids is in the archive."""
    wanted = set(ids)
    places = ", ".join("?" * len(wanted))
    found = await tx.value(
        f"SELECT COUNT(*) FROM archive WHERE owner = ? AND id IN ({places})", owner, *wanted
    )
    return int(found) == len(wanted)


async def bounds(tx: Tx, owner: int) -> tuple[ArchivedMessage, ArchivedMessage] | None:
    """The first and the last message; None for an empty archive."""
    found = []
    for order in ("ASC", "DESC"):
        row = await tx.row(
            f"SELECT id, sent, peer, stanza FROM archive WHERE owner = ? ORDER BY id {order} LIMIT 1", owner
        )
        if row is None:
            return None
        found.append(_from_row(row))
    return found[0], found[1]


async def find(tx: Tx, owner: int, peer: str, stanza_id: str, since: int) -> ArchivedMessage | None:
    """The last message of a conversation that had this id from its sender."""
    row = await tx.row(
        "SELECT id, sent, peer, stanza FROM archive WHERE owner = ? AND peer = ? AND id > ? AND stanza_id = ?"
        " ORDER BY id DESC LIMIT 1",
        owner,
        peer,
        first_id(since),
        stanza_id,
    )
    return None if row is None else _from_row(row)


async def get(tx: Tx, owner: int, id_: int) -> ArchivedMessage | None:
    """One message by its archive id."""
    row = await tx.row("SELECT id, sent, peer, stanza FROM archive WHERE owner = ? AND id = ?", owner, id_)
    return None if row is None else _from_row(row)


async def replace(tx: Tx, owner: int, id_: int, stanza: bytes) -> bool:
    """Puts a tombstone in the place of a message; whether it was there."""
    await fulltext.begin(tx, owner, CHAT)
    old = await get(tx, owner, id_)
    if old is None:
        return False
    await keeping.keep_messages(tx, owner, [(id_, old.peer, "", old.stanza)])
    await chat_folders.forget(tx, owner, [id_])
    await fulltext.remove(tx, owner, CHAT, [(id_, archive_search.text_of(old.stanza))])
    await tx.execute("UPDATE archive SET stanza = ? WHERE owner = ? AND id = ?", stanza, owner, id_)
    return True


async def has_before(tx: Tx, owner: int, moment: int) -> bool:
    """Whether anything is older."""
    first = await tx.value("SELECT MIN(id) FROM archive WHERE owner = ?", owner)
    return first is not None and first < first_id(moment)


async def expire(tx: Tx, owner: int, before: int, limit: int) -> int:
    """Takes out the oldest messages of the time before that moment, at most so many; how many."""
    await fulltext.begin(tx, owner, CHAT)
    rows = await tx.rows(
        "SELECT id, stanza, peer, stanza_id FROM archive WHERE owner = ? AND id < ? ORDER BY id LIMIT ?",
        owner,
        first_id(before),
        limit,
    )
    if rows:
        messages = [(id_, peer, stanza_id, bytes(stanza)) for id_, stanza, peer, stanza_id in rows]
        await keeping.keep_messages(tx, owner, messages)
        await chat_folders.forget(tx, owner, [row[0] for row in rows])
        texts = [(id_, archive_search.text_of(stanza)) for id_, _, _, stanza in messages]
        await fulltext.remove(tx, owner, CHAT, texts)
        await tx.execute("DELETE FROM archive WHERE owner = ? AND id <= ?", owner, rows[-1][0])
    return len(rows)


def first_id(time: int) -> int:
    """The least id of a moment; years that no id can carry are the last one that it can."""
    return min(max(time, 0), _LAST_TIME) << _TIME_SHIFT


def _from_row(row: Row) -> ArchivedMessage:
    id_, sent, peer, stanza = row
    return ArchivedMessage(id_, sent, peer, bytes(stanza))


def _where(owner: int, query: ArchiveQuery) -> tuple[str, list[Value]]:
    where = ["owner = ?"]
    conditions: list[tuple[str, Value]] = [
        ("peer = ?", query.peer or None),
        ("resource = ?", query.resource or None),
        ("id >= ?", None if query.start is None else first_id(query.start)),
        ("id < ?", None if query.end is None else first_id(query.end + 1)),
        ("id > ?", query.after),
        ("id < ?", query.before),
    ]
    values: list[Value] = [owner]
    for condition, value in conditions:
        if value is not None:
            where.append(condition)
            values.append(value)
    if query.ids:
        where.append(f"id IN ({', '.join('?' * len(query.ids))})")
        values.extend(query.ids)
    if query.terms is not None:
        condition, arguments = fulltext.condition("id", owner, CHAT, query.terms)
        where.append(condition)
        values.extend(arguments)
    return " AND ".join(where), values
