# SPDX-License-Identifier: Apache-2.0
"""Managed attachments (RFC 8607): the bytes that calendar objects name by a MANAGED-ID.

A row belongs to an owner's object by its UID, so it stays through moves and changes of the object. What no
object names any more is `removed`: it counts for no quota and is gone after the days of the trash, unless
the object comes back or a hold or a rule keeps it. Calendar objects change without looking here:
`attachments_sweep` finds out what has become of the attachments.
"""

from __future__ import annotations

from typing import NamedTuple

from armgs_server.storage import accounts, blobs, clock
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.tx import Tx

_COLUMNS = "owner, id, ical_uid, blob, size, content_type, filename, created, removed"


class Attachment(NamedTuple):
    """One row of `attachment`."""

    owner: int
    id: str
    ical_uid: str
    blob: bytes
    size: int
    content_type: str
    filename: str
    created: int
    removed: int  # when it was first seen that no object names it; 0: one does


async def add(tx: Tx, attachment: Attachment, ref: BlobRef | None = None) -> None:
    """A new one with its bytes; without `ref` these are in the store already. OverQuota."""
    known = await tx.row(
        "SELECT 1 FROM attachment WHERE owner = ? AND id = ? AND ical_uid = ?",
        *(attachment.owner, attachment.id, attachment.ical_uid),
    )
    if known is not None:
        return
    await accounts.charge(tx, attachment.owner, 0, attachment.size)
    if ref is not None:
        await blobs.retain(tx, ref)
    else:
        await blobs.retain_existing(tx, [attachment.blob])
    await tx.execute(f"INSERT INTO attachment ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *attachment)


async def by_id(tx: Tx, id_: str) -> list[Attachment]:
    """All rows of one attachment: several where an object was copied to somebody else."""
    rows = await tx.rows(f"SELECT {_COLUMNS} FROM attachment WHERE id = ? ORDER BY owner, ical_uid", id_)
    return list(map(Attachment._make, rows))


async def let_go(tx: Tx, owner: int, id_: str, ical_uid: str) -> None:
    """An object does not name it any more."""
    size = await tx.value(
        "UPDATE attachment SET removed = ? WHERE owner = ? AND id = ? AND ical_uid = ? AND removed = 0"
        " RETURNING size",
        *(clock.now(), owner, id_, ical_uid),
    )
    if size is not None:
        await accounts.charge(tx, owner, 0, -size)


async def take_back(tx: Tx, attachment: Attachment) -> None:
    """An object names it again. OverQuota."""
    touched = await tx.execute(
        "UPDATE attachment SET removed = 0 WHERE owner = ? AND id = ? AND ical_uid = ? AND removed <> 0",
        *attachment[:3],
    )
    if touched:
        await accounts.charge(tx, attachment.owner, 0, attachment.size)


async def remove(tx: Tx, attachment: Attachment) -> None:
    """For good, unless it was taken back meanwhile."""
    touched = await tx.execute(
        "DELETE FROM attachment WHERE owner = ? AND id = ? AND ical_uid = ? AND removed = ?",
        *(*attachment[:3], attachment.removed),
    )
    if touched:
        await blobs.release(tx, [attachment.blob])


async def remove_of(tx: Tx, owner: int) -> None:
    """All of an account that goes."""
    rows = await tx.rows("DELETE FROM attachment WHERE owner = ? RETURNING blob", owner)
    await blobs.release(tx, [row[0] for row in rows])


async def page(tx: Tx, after: tuple[int, str, str], limit: int) -> list[Attachment]:
    """A slice of all there are, in the order of their keys."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM attachment WHERE (owner, id, ical_uid) > (?, ?, ?)"
        " ORDER BY owner, id, ical_uid LIMIT ?",
        *(*after, limit),
    )
    return list(map(Attachment._make, rows))
