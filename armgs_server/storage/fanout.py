# SPDX-License-Identifier: Apache-2.0
"""One message for many people: what `mail.append` does for one, in a handful of statements for all.

Rows are locked one by one in the order of owners, mailboxes before accounts as everywhere: an UPDATE of many
rows takes them as they lie, and two of those wait for each other until PostgreSQL ends one, a second later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from armgs_server.errors import NotFound, OverQuota
from armgs_server.formats.mime import MessageIndex
from armgs_server.storage import blobs, items, mail
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import INDEX_COLUMNS, Collection
from armgs_server.storage.tx import Tx

# Mailboxes named in one statement; the text of each length is prepared once.
PART = 100
_KEY = "(CAST(? AS BIGINT), CAST(? AS BIGINT))"


async def append_all(
    tx: Tx, mailboxes: Sequence[Collection], ref: BlobRef, index: MessageIndex, *, created: int
) -> None:
    """Adds a message to mailboxes of different owners. OverQuota, NotFound when one cannot take it."""
    for part in _parts(sorted(mailboxes, key=_key)):
        placed = await _take_uids(tx, part, ref.size)
        await _charge(tx, [mailbox.owner for mailbox in part], ref.size)
        await tx.executemany(
            f"INSERT INTO item ({items.COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    owner,
                    number,
                    uid,
                    None,
                    ref.hash,
                    ref.size,
                    mail.CONTENT_TYPE,
                    modseq,
                    created,
                    created,
                    0,
                    "",
                )
                for owner, number, uid, modseq in placed
            ],
        )
        row = mail.index_row(index, created)
        await tx.executemany(
            f"INSERT INTO message (owner, collection, uid, {INDEX_COLUMNS['message']})"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(owner, number, uid, *row) for owner, number, uid, _ in placed],
        )
        for owner, number, _, modseq in placed:
            tx.changed(owner, number, modseq)
    await blobs.retain(tx, ref, len(mailboxes))


async def _charge(tx: Tx, owners: Sequence[int], size: int) -> None:
    """See accounts.charge."""
    await tx.executemany(
        "UPDATE account SET items = items + 1, bytes = bytes + ? WHERE owner = ?",
        [(size, owner) for owner in owners],
    )
    able = await tx.value(
        f"SELECT COUNT(*) FROM account WHERE owner IN ({', '.join('?' * len(owners))})"
        " AND (quota = 0 OR bytes <= quota)",
        *owners,
    )
    if able != len(owners):
        raise OverQuota()


async def _take_uids(tx: Tx, mailboxes: Sequence[Collection], size: int) -> list[tuple[int, int, int, int]]:
    """A uid in each mailbox: (owner, collection, uid, modseq)."""
    await tx.executemany(
        "UPDATE collection SET uid_next = uid_next + 1, modseq = modseq + 1, items = items + 1,"
        " bytes = bytes + ?, unseen = unseen + 1 WHERE owner = ? AND id = ?",
        [(size, mailbox.owner, mailbox.id) for mailbox in mailboxes],
    )
    rows = await tx.rows(
        "SELECT owner, id, uid_next - 1, modseq FROM collection"
        f" WHERE (owner, id) IN (VALUES {', '.join([_KEY] * len(mailboxes))})",
        *(key for mailbox in mailboxes for key in _key(mailbox)),
    )
    if len(rows) != len(mailboxes):
        raise NotFound()
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _key(mailbox: Collection) -> tuple[int, int]:
    return mailbox.owner, mailbox.id


def _parts(mailboxes: Sequence[Collection]) -> Iterator[Sequence[Collection]]:
    return (mailboxes[at : at + PART] for at in range(0, len(mailboxes), PART))
