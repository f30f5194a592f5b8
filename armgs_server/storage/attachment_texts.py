# SPDX-License-Identifier: Apache-2.0
"""Text that was read out of the attachments of messages, once for all who have the message (decision 45)."""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server.storage.tx import Tx


async def of(tx: Tx, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
    """What was read out of the attachments of messages, by the hash of the message; deflated."""
    if not hashes:
        return {}
    rows = await tx.rows(
        f"SELECT hash, data FROM attachment_text WHERE hash IN ({', '.join('?' * len(hashes))})", *hashes
    )
    return {bytes(digest): bytes(data) for digest, data in rows}


async def put(tx: Tx, digest: bytes, data: bytes) -> None:
    """Keeps it for everybody who has the message."""
    await tx.execute(
        "INSERT INTO attachment_text (hash, data) VALUES (?, ?) ON CONFLICT DO NOTHING", digest, data
    )


async def forget(tx: Tx, after: bytes, limit: int) -> bytes | None:
    """Looks at the next texts, and takes away those whose message nobody has any more; where to go on."""
    rows = await tx.rows(
        "SELECT t.hash, b.refs FROM attachment_text t LEFT JOIN blob b ON b.hash = t.hash WHERE t.hash > ?"
        " ORDER BY t.hash LIMIT ?",
        after,
        limit,
    )
    await tx.executemany(
        "DELETE FROM attachment_text WHERE hash = ?", [(digest,) for digest, refs in rows if not refs]
    )
    return bytes(rows[-1][0]) if len(rows) == limit else None
