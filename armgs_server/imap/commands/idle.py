# SPDX-License-Identifier: Apache-2.0
"""IDLE: RFC 2177. The session waits for DONE; the bus wakes it when something changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.imap.command import Ok
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import bad

if TYPE_CHECKING:
    from armgs_server.imap.session import Session


async def handle_idle(session: Session, cursor: Cursor) -> Ok:
    cursor.end()
    updates = session.updates
    updates.is_idling = True
    updates.push()
    try:
        line = await session.next_line(b"idling", session.settings.idle_timeout)
    finally:
        updates.is_idling = False
        await updates.pushed()
    if line.strip().upper() != b"DONE":
        raise bad("DONE expected")
    return Ok("IDLE completed")
