# SPDX-License-Identifier: Apache-2.0
"""STATUS: RFC 3501 §6.3.10, STATUS=SIZE (RFC 8438), HIGHESTMODSEQ (RFC 7162), DELETED and DELETED-STORAGE
(RFC 9208), MAILBOXID (RFC 8474), APPENDLIMIT (RFC 7889)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.imap.command import Ok
from armgs_server.imap.commands.object_ids import mailbox_id
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import bad
from armgs_server.storage import mail_query, recent
from armgs_server.storage.collections import Collection

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# Those that are columns of the collection.
_COLUMNS: Mapping[str, str] = {
    "MESSAGES": "items",
    "UIDNEXT": "uid_next",
    "UIDVALIDITY": "uid_validity",
    "UNSEEN": "unseen",
    "SIZE": "bytes",
    "HIGHESTMODSEQ": "modseq",
}
# Those that are counted when they are asked for, and the two that are neither.
_COUNTED = ("RECENT", "DELETED", "DELETED-STORAGE")
_OTHERS = ("MAILBOXID", "APPENDLIMIT")


async def handle_status(session: Session, cursor: Cursor) -> Ok:
    cursor.space()
    name = cursor.mailbox()
    cursor.space()
    wanted = status_items(cursor)
    cursor.end()
    if "HIGHESTMODSEQ" in wanted:
        session.enable_condstore()  # RFC 7162 §3.1
    found = await session.reach.find(name, Rights.READ)
    counts = await count(session, found, wanted)
    session.write(status_line(session.name(name), found, wanted, counts))
    return Ok("STATUS completed")


def status_items(cursor: Cursor) -> list[str]:
    """ "(" status-att *(SP status-att) ")" """
    wanted = cursor.parenthesised(cursor.atom)
    for name in wanted:
        if name not in _COLUMNS and name not in _COUNTED and name not in _OTHERS:
            raise bad(f"no such status item: {name}")
    if not wanted:
        raise bad("status item expected")
    return wanted


async def count(session: Session, collection: Collection, wanted: Sequence[str]) -> Mapping[str, str]:
    """What is no column of the collection."""
    values = {
        "MAILBOXID": f"({mailbox_id(collection)})",
        "APPENDLIMIT": str(session.settings.message_size),
    }
    key = collection.owner, collection.id
    if "DELETED" in wanted or "DELETED-STORAGE" in wanted:
        number, size = await session.core.store.read(lambda tx: mail_query.deleted_sums(tx, *key))
        values["DELETED"], values["DELETED-STORAGE"] = str(number), str(size)
    if "RECENT" in wanted:
        values["RECENT"] = str(await session.core.store.read(lambda tx: recent.count(tx, *key)))
    return values


def status_line(
    name: bytes, collection: Collection, wanted: Sequence[str], counts: Mapping[str, str]
) -> bytes:
    """mailbox-data STATUS"""
    shown = " ".join(
        f"{item} {getattr(collection, _COLUMNS[item]) if item in _COLUMNS else counts[item]}"
        for item in wanted
    )
    return b"* STATUS %b (%b)\r\n" % (name, shown.encode("ascii"))
