# SPDX-License-Identifier: Apache-2.0
"""STATUS: RFC 3501 §6.3.10, STATUS=SIZE (RFC 8438), HIGHESTMODSEQ (RFC 7162), DELETED (RFC 9208)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.imap.command import Ok
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.mailbox_names import encode_mailbox
from armgs_server.imap.responses import astring, bad
from armgs_server.storage import mail_query
from armgs_server.storage.collections import Collection

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

ITEMS = ("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "SIZE", "HIGHESTMODSEQ", "DELETED")


async def handle_status(session: Session, cursor: Cursor) -> Ok:
    cursor.space()
    name = cursor.mailbox()
    cursor.space()
    wanted = status_items(cursor)
    cursor.end()
    if "HIGHESTMODSEQ" in wanted:
        session.enabled.add("CONDSTORE")  # RFC 7162 §3.1
    found = await session.mailbox(name, Rights.READ)
    deleted = None
    if "DELETED" in wanted:
        deleted = await session.core.store.read(
            lambda tx: mail_query.deleted_count(tx, found.owner, found.id)
        )
    session.write(status_line(astring(encode_mailbox(name)), found, wanted, deleted))
    return Ok("STATUS completed")


def status_items(cursor: Cursor) -> list[str]:
    """ "(" status-att *(SP status-att) ")" """
    wanted = cursor.parenthesised(cursor.atom)
    for name in wanted:
        if name not in ITEMS:
            raise bad(f"no such status item: {name}")
    if not wanted:
        raise bad("status item expected")
    return wanted


def status_line(name: bytes, collection: Collection, wanted: Sequence[str], deleted: int | None) -> bytes:
    """mailbox-data STATUS; DELETED is left out where it was not counted."""
    values = {
        "MESSAGES": collection.items,
        "RECENT": 0,
        "UIDNEXT": collection.uid_next,
        "UIDVALIDITY": collection.uid_validity,
        "UNSEEN": collection.unseen,
        "SIZE": collection.bytes,
        "HIGHESTMODSEQ": collection.modseq,
        "DELETED": deleted,
    }
    shown = " ".join(f"{item} {values[item]}" for item in wanted if values[item] is not None)
    return b"* STATUS %b (%b)\r\n" % (name, shown.encode("ascii"))
