# SPDX-License-Identifier: Apache-2.0
"""Uploads that come in pieces and are resumed when they break off: what has come, and for which request.

A piece is a blob. It is added only where it continues what is there and no other request about the upload has
come since its own began, so two requests at once never mix. When the whole has been made of the pieces they
go; the row stays until its end, to say how it ended.
"""

from __future__ import annotations

from typing import NamedTuple

from armgs_server.errors import Conflict, OverQuota
from armgs_server.storage import blobs, clock
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.tx import Tx

BATCH = 20
MAX_PIECES = 10_000
UNKNOWN = -1
_COLUMNS = "owner, id, target, headers, size, received, turn, status, etag, expires"


class Partial(NamedTuple):
    """One row. `headers` is JSON, `size` UNKNOWN or of the whole, `status` 0 until it is whole."""

    owner: int
    id: str
    target: str
    headers: str
    size: int
    received: int
    turn: int
    status: int
    etag: str
    expires: int


async def add(tx: Tx, partial: Partial, limit: int) -> None:
    """A new one. Conflict where the owner has `limit` already."""
    count = await tx.value(
        "SELECT COUNT(*) FROM partial_upload WHERE owner = ? AND status = 0 AND expires > ?",
        *(partial.owner, clock.now()),
    )
    if count >= limit:
        raise Conflict("too many uploads are not whole yet")
    await tx.execute(
        f"INSERT INTO partial_upload ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *partial
    )


async def begin(tx: Tx, owner: int, id_: str) -> Partial | None:
    """The upload, for a request about it: from here on no earlier request adds anything."""
    row = await tx.row(
        "UPDATE partial_upload SET turn = turn + 1 WHERE owner = ? AND id = ? AND expires > ?"
        f" RETURNING {_COLUMNS}",
        *(owner, id_, clock.now()),
    )
    return None if row is None else Partial(*row)


async def append(tx: Tx, partial: Partial, ref: BlobRef, size: int) -> Partial:
    """The next piece, and the size of the whole as far as it is known. Conflict where another request has
    come; OverQuota where the owner's uploads are more than the whole account may hold."""
    row = await tx.row(
        "UPDATE partial_upload SET received = received + ?, size = ?"
        " WHERE owner = ? AND id = ? AND turn = ? AND status = 0"
        f" RETURNING {_COLUMNS}",
        *(ref.size, size, partial.owner, partial.id, partial.turn),
    )
    if row is None:
        raise Conflict("another request about this upload has come")
    if ref.size:
        await _add_piece(tx, partial, ref)
    return Partial(*row)


async def _add_piece(tx: Tx, partial: Partial, ref: BlobRef) -> None:
    key = (partial.owner, partial.id)
    if await tx.value("SELECT COUNT(*) FROM partial_piece WHERE owner = ? AND id = ?", *key) >= MAX_PIECES:
        raise Conflict("the upload has too many pieces")
    held = await tx.value(
        "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM partial_piece WHERE owner = ?", partial.owner
    )
    quota = await tx.value("SELECT quota FROM account WHERE owner = ?", partial.owner)
    if quota and held + ref.size > quota:
        raise OverQuota()
    await blobs.retain(tx, ref)
    await tx.execute(
        "INSERT INTO partial_piece (owner, id, start, blob, size) VALUES (?, ?, ?, ?, ?)",
        *(*key, partial.received, ref.hash, ref.size),
    )


async def pieces(tx: Tx, partial: Partial) -> list[tuple[bytes, int]]:
    """Hash and size of each, in their order."""
    rows = await tx.rows(
        "SELECT blob, size FROM partial_piece WHERE owner = ? AND id = ? ORDER BY start",
        *(partial.owner, partial.id),
    )
    return [(row[0], row[1]) for row in rows]


async def finish(tx: Tx, partial: Partial, status: int, etag: str) -> None:
    """The whole has been answered; its pieces go."""
    await tx.execute(
        "UPDATE partial_upload SET status = ?, etag = ? WHERE owner = ? AND id = ?",
        *(status, etag, partial.owner, partial.id),
    )
    await _drop_pieces(tx, partial.owner, partial.id)


async def remove(tx: Tx, owner: int, id_: str) -> None:
    """Its maker does not want it any more, or it is of no use."""
    await tx.execute("DELETE FROM partial_upload WHERE owner = ? AND id = ?", owner, id_)
    await _drop_pieces(tx, owner, id_)


async def remove_of(tx: Tx, owner: int) -> None:
    """All of an owner."""
    rows = await tx.rows("SELECT id FROM partial_upload WHERE owner = ?", owner)
    for (id_,) in rows:
        await remove(tx, owner, id_)


async def expire(tx: Tx, limit: int = BATCH) -> int:
    """Those whose time is over, at most `limit`; how many."""
    rows = await tx.rows(
        "SELECT owner, id FROM partial_upload WHERE expires <= ? ORDER BY expires LIMIT ?", clock.now(), limit
    )
    for owner, id_ in rows:
        await remove(tx, owner, id_)
    return len(rows)


async def _drop_pieces(tx: Tx, owner: int, id_: str) -> None:
    rows = await tx.rows("DELETE FROM partial_piece WHERE owner = ? AND id = ? RETURNING blob", owner, id_)
    await blobs.release(tx, [row[0] for row in rows])
