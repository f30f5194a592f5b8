# SPDX-License-Identifier: Apache-2.0
"""What has come into an archive, taken up into the folder that shows it (storage.chat_folders).

Of a message only its item and index row are made, and what says where its bytes come from (storage.derived).
Several sessions may do this for one folder at the same time: `chat_folder.last` lets one of them through.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from armgs_server.errors import NotFound
from armgs_server.formats import chat_message, mime
from armgs_server.formats.mime import MessageIndex
from armgs_server.storage import blobs, clock, derived, items, mail
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import INDEX_COLUMNS, Collection
from armgs_server.storage.derived import Derived
from armgs_server.storage.items import Flags
from armgs_server.storage.tx import Row, Tx, Value

if TYPE_CHECKING:
    from armgs_server.storage import Store

BATCH = 200  # messages in one transaction


async def is_behind(tx: Tx, owner: int, number: int, *, opened: bool = False) -> bool:
    """Whether the archive has what a folder has not taken up; with `opened` only if it ever took up any."""
    place = await _place(tx, owner, number)
    if place is None or (opened and not place.last):
        return False
    return bool(await _newer(tx, place, 1))


async def catch_up(store: Store, folder: Collection, limit: int) -> None:
    """Takes up what the archive has beyond; the first time the newest `limit` messages."""
    key = folder.owner, folder.id

    async def newer(tx: Tx) -> tuple[_Place | None, list[Row]]:
        place = await _place(tx, *key)
        if place is not None and not place.last:
            place = place._replace(start=await _start(tx, place, limit))
        return place, [] if place is None else await _newer(tx, place, BATCH)

    while True:
        place, rows = await store.read(newer)
        if place is None or not rows:
            return
        made = await asyncio.to_thread(_render, place.source, rows)
        last = rows[-1][0]

        async def work(
            tx: Tx, place: _Place = place, made: Sequence[_Rendered] = made, last: int = last
        ) -> None:
            taken = await tx.execute(
                "UPDATE chat_folder SET last = ? WHERE owner = ? AND collection = ? AND last = ?",
                last,
                *key,
                place.last,
            )
            if taken:  # else another session was faster
                await _add(tx, folder, place.source, made)

        await store.write(work)


class _Place(NamedTuple):
    """Where a folder stands in its archive; messages up to `start` are passed over."""

    source: int
    peer: str
    last: int
    start: int


@dataclass(frozen=True, slots=True)
class _Rendered:
    """One message, ready to be taken up."""

    archive: int
    sent: int
    ref: BlobRef
    index: MessageIndex


async def _place(tx: Tx, owner: int, number: int) -> _Place | None:
    row = await tx.row(
        "SELECT source, peer, last FROM chat_folder WHERE owner = ? AND collection = ? AND source <> 0",
        owner,
        number,
    )
    return None if row is None else _Place(row[0], row[1], row[2], row[2])


async def _start(tx: Tx, place: _Place, limit: int) -> int:
    """The id up to which an archive is too old to be shown."""
    where, values = _where(place)
    found = await tx.value(
        f"SELECT id FROM archive WHERE {where} ORDER BY id DESC LIMIT 1 OFFSET ?", *values, limit
    )
    return int(found or 0)


async def _newer(tx: Tx, place: _Place, limit: int) -> list[Row]:
    where, values = _where(place)
    return await tx.rows(
        f"SELECT id, sent, stanza FROM archive WHERE {where} AND id > ? ORDER BY id LIMIT ?",
        *values,
        place.start,
        limit,
    )


def _where(place: _Place) -> tuple[str, tuple[Value, ...]]:
    if place.peer:
        return "owner = ? AND peer = ?", (place.source, place.peer)
    return "owner = ?", (place.source,)


def _render(source: int, rows: Iterable[Row]) -> list[_Rendered]:
    """What of the rows says something, as mail."""
    found = []
    for archive_id, sent, stanza in rows:
        data = chat_message.render(source, archive_id, sent, bytes(stanza))
        if data is not None:
            ref = BlobRef(hashlib.sha256(data).digest(), len(data), None)
            found.append(_Rendered(archive_id, sent, ref, mime.index(data)))
    return found


async def _add(tx: Tx, folder: Collection, source: int, made: Sequence[_Rendered]) -> None:
    """All in a handful of statements, at one modseq."""
    row = await tx.row(
        "UPDATE collection SET uid_next = uid_next + ?, modseq = modseq + 1, items = items + ?,"
        " bytes = bytes + ? WHERE owner = ? AND id = ? RETURNING uid_next, modseq",
        len(made),
        len(made),
        sum(each.ref.size for each in made),
        folder.owner,
        folder.id,
    )
    if row is None:
        raise NotFound()
    modseq, now = row[1], clock.now()
    placed = list(enumerate(made, row[0] - len(made)))
    await derived.put(tx, [Derived(each.ref.hash, source, each.archive) for each in made])
    for each in made:
        await blobs.retain(tx, each.ref)
    await tx.executemany(
        f"INSERT INTO item ({items.COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(folder.owner, folder.id, uid, None, each.ref.hash, each.ref.size, mail.CONTENT_TYPE),
                *(modseq, each.sent, now, int(Flags.SEEN), ""),
            )
            for uid, each in placed
        ],
    )
    await tx.executemany(
        f"INSERT INTO message (owner, collection, uid, {INDEX_COLUMNS['message']})"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(folder.owner, folder.id, uid, *mail.index_row(each.index, each.sent)) for uid, each in placed],
    )
    tx.changed(folder.owner, folder.id, modseq)
