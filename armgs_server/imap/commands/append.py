# SPDX-License-Identifier: Apache-2.0
"""APPEND: RFC 3501 §6.3.11, APPENDUID (RFC 4315 §3), APPENDLIMIT (RFC 7889).

The message goes to the blob store as it comes; it is never in memory whole unless it is small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.errors import TooLarge
from armgs_server.imap import protocol as framing
from armgs_server.imap.command import Ok
from armgs_server.imap.commands.store import join_keywords
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import bad, no
from armgs_server.storage import mail
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# The next piece of a message must come within this time.
DATA_TIMEOUT = 300.0


async def handle_append(session: Session, cursor: Cursor) -> Ok:
    cursor.space()
    name = cursor.mailbox()
    cursor.space()
    flags = 0
    keywords: list[str] = []
    created = None
    if cursor.peek() == b"(":
        flags, keywords = cursor.flag_list()
        cursor.space()
    if cursor.peek() == b'"':
        created = cursor.date_time()
        cursor.space()
    message = session.message
    if message is None:
        raise bad("message literal expected")
    cursor.end()
    limit = session.settings.message_size
    if message.size > limit:
        raise no(f"messages here have at most {limit} octets", "TOOBIG")
    # TRYCREATE: the client may make the mailbox and try again (RFC 3501 §6.3.11)
    collection = await session.mailbox(name, Rights.INSERT, missing="TRYCREATE")
    ref = await _receive(session)
    index = await mail.read_index(session.core.store.blobs, ref)

    async def work(tx: Tx) -> Item:
        return await mail.append(
            tx, collection, ref, index, flags=flags, keywords=join_keywords(keywords), created=created
        )

    item = await session.core.store.write(work)
    return Ok("APPEND completed", f"APPENDUID {collection.uid_validity} {item.uid}")


async def _receive(session: Session) -> BlobRef:
    """The message, streamed into the blob store, and the end of the command behind it."""
    assert session.message is not None
    session.protocol.accept_message()
    writer = session.core.store.blobs.writer(session.settings.message_size)
    try:
        while isinstance(event := await session.next_event(DATA_TIMEOUT), framing.MessageData):
            await writer.write(event.data)
        session.message = None
        if not isinstance(event, framing.MessageEnd) or event.rest.strip():
            raise bad("end of line expected behind the message")
        if not writer.size:
            raise TooLarge("an empty message is no message")  # RFC 3502 cancels so
        return await writer.finish()
    except BaseException:
        writer.abort()
        raise
