# SPDX-License-Identifier: Apache-2.0
"""EXPUNGE (RFC 3501 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.imap.command import Ok
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.message_limit import limit_uids, say
from armgs_server.storage import items, mail_query, restored
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# Messages removed in one transaction: bounds how long other writers wait.
BATCH = 1000


async def handle_expunge(session: Session, cursor: Cursor) -> Ok:
    cursor.end()
    return await _expunge(session, None)


async def handle_uid_expunge(session: Session, cursor: Cursor) -> Ok:
    cursor.space()
    wanted = cursor.sequence_set()
    cursor.end()
    _, view = session.writable()
    uids, limit_code = limit_uids(session, view.uids_of(view.runs(wanted, by_uid=True)))
    return say(session, await _expunge(session, uids), limit_code)


async def _expunge(session: Session, uids: Iterable[int] | None) -> Ok:
    collection, _ = session.writable()
    await session.reach.check(collection, Rights.EXPUNGE)
    return Ok("EXPUNGE completed", await expunge_deleted(session, uids))


async def expunge_deleted(session: Session, uids: Iterable[int] | None) -> str:
    """Removes what has \\Deleted, of `uids` or of all that the client knows; the update tells the numbers.

    Returns the code for the tagged line: HIGHESTMODSEQ where QRESYNC is enabled (RFC 7162 §3.2.7, §3.2.8).
    """
    modseq = 0
    collection, view = session.selected()
    known = set(view.uids if uids is None else uids)
    marked = await session.core.store.read(lambda tx: mail_query.deleted(tx, collection.owner, collection.id))
    targets = [uid for uid in marked if uid in known]
    remove = restored.throw if session.settings.undelete_days else items.remove
    for at in range(0, len(targets), BATCH):
        part = targets[at : at + BATCH]

        async def work(tx: Tx, part: list[int] = part) -> int:
            rows = await mail_query.flags_of(tx, collection.owner, collection.id, part)
            # once more under the writer's lock: another session may have taken \Deleted away
            still = [uid for uid, flags, _, _ in rows if flags & items.Flags.DELETED]
            return await remove(tx, collection, still) if still else 0

        modseq = await session.core.store.write(work) or modseq
    return f"HIGHESTMODSEQ {modseq}" if modseq and "QRESYNC" in session.enabled else ""
