# SPDX-License-Identifier: Apache-2.0
"""APPEND: RFC 3501 §6.3.11, APPENDUID (RFC 4315 §3), APPENDLIMIT (RFC 7889), MULTIAPPEND (RFC 3502): all
messages of a command arrive together, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.imap.command import Ok
from armgs_server.imap.commands.message_input import MessageInput
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import number_set
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.imap.session import Session


async def handle_append(session: Session, cursor: Cursor) -> Ok:
    cursor.space()
    name = cursor.mailbox()
    collection, messages = await MessageInput(session, cursor).read(name, Rights.INSERT)

    async def work(tx: Tx) -> list[Item]:
        return [await message.append(tx, collection) for message in messages]

    appended = await session.core.store.write(work)
    session.updates.wrote(appended)
    shown = number_set(item.uid for item in appended).decode("ascii")
    return Ok("APPEND completed", f"APPENDUID {collection.uid_validity} {shown}")
