# SPDX-License-Identifier: Apache-2.0
"""Blobs without bytes of their own: messages of the chat archive as mail, made when they are read.

Such a blob has its row in `blob`, with neither data nor place, and one here that says of which archived
message it is made. So everything that has items (mailboxes, searches, copies) works with it as with any
other. When the archived message goes, so does what is made of it; only where somebody has copied it
elsewhere the bytes are written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from armgs_server.formats import chat_message
from armgs_server.storage.tx import Tx

BATCH = 500


class Derived(NamedTuple):
    """One row: a blob, and the archived message it is made of."""

    hash: bytes
    source: int
    archive: int


async def read(tx: Tx, digest: bytes) -> bytes | None:
    """The bytes; None where there is no such blob, or nothing any more that it could be made of."""
    key = await tx.row("SELECT source, archive FROM derived WHERE hash = ?", digest)
    if key is None:
        return None
    source, archive = key
    row = await tx.row("SELECT sent, stanza FROM archive WHERE owner = ? AND id = ?", source, archive)
    return None if row is None else chat_message.render(source, archive, row[0], bytes(row[1]))


async def put(tx: Tx, rows: Sequence[Derived]) -> None:
    """Says of what blobs are made; several may have the same, each in a mailbox of its own."""
    await tx.executemany(
        "INSERT INTO derived (hash, source, archive, form) VALUES (?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING",
        [(*row, chat_message.FORM) for row in rows],
    )


async def discard(tx: Tx, digests: Sequence[bytes]) -> None:
    """Blobs that nobody names any more."""
    await tx.executemany("DELETE FROM derived WHERE hash = ?", [(digest,) for digest in digests])


async def of(tx: Tx, source: int, archive: Sequence[int]) -> list[bytes]:
    """The blobs that are made of archived messages."""
    places = ", ".join("?" * len(archive))
    rows = await tx.rows(
        f"SELECT hash FROM derived WHERE source = ? AND archive IN ({places})", source, *archive
    )
    return [bytes(row[0]) for row in rows]


async def let_go(tx: Tx, digests: Sequence[bytes]) -> None:
    """To be called before what they are made of goes: who still names one gets bytes of its own."""
    places = ", ".join("?" * len(digests))
    for (digest,) in await tx.rows(f"SELECT hash FROM blob WHERE hash IN ({places}) AND refs > 0", *digests):
        await tx.execute("UPDATE blob SET data = ? WHERE hash = ?", await read(tx, bytes(digest)), digest)
    await discard(tx, digests)


async def let_all_go(tx: Tx, source: int) -> None:
    """The same for a whole archive."""
    while rows := await tx.rows("SELECT hash FROM derived WHERE source = ? LIMIT ?", source, BATCH):
        await let_go(tx, [bytes(row[0]) for row in rows])
