# SPDX-License-Identifier: Apache-2.0
"""XEP-0363: the links given out for files shared in chat. The files themselves are items like any other."""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server.storage import clock
from armgs_server.storage.tx import Tx


@dataclass(frozen=True, slots=True)
class Upload:
    """One link; `uid` is 0 until the file has been put."""

    token: str
    owner: int
    collection: int
    uid: int
    name: str
    size: int
    type: str
    expires: int


async def create(tx: Tx, upload: Upload) -> None:
    """A new link; the owner's links that were never used are forgotten with it."""
    await tx.execute(
        "DELETE FROM upload WHERE owner = ? AND uid = 0 AND expires < ?", upload.owner, clock.now()
    )
    await tx.execute(
        "INSERT INTO upload (token, owner, collection, uid, name, size, type, expires)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        upload.token,
        upload.owner,
        upload.collection,
        upload.uid,
        upload.name,
        upload.size,
        upload.type,
        upload.expires,
    )


async def get(tx: Tx, token: str) -> Upload | None:
    row = await tx.row(
        "SELECT token, owner, collection, uid, name, size, type, expires FROM upload WHERE token = ?", token
    )
    return None if row is None else Upload(*row)


async def complete(tx: Tx, token: str, uid: int) -> bool:
    """Notes that the file has been put; False where it had been already."""
    return await tx.execute("UPDATE upload SET uid = ? WHERE token = ? AND uid = 0", uid, token) > 0
