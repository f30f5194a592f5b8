# SPDX-License-Identifier: Apache-2.0
"""CANCELUPDATE: results are not kept up to date any more (RFC 5267 §4.3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.imap.command import Ok
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import bad, no

if TYPE_CHECKING:
    from armgs_server.imap.session import Session


async def handle_cancelupdate(session: Session, cursor: Cursor) -> Ok:
    """command-select =/ "CANCELUPDATE" 1*(SP quoted)"""
    tags: list[bytes] = []
    while not cursor.is_at_end():
        cursor.space()
        if cursor.peek() != b'"':
            raise bad("quoted tag expected")
        tags.append(cursor.string())
    if not tags:
        raise bad("tag expected")
    known = [session.updates.contexts.cancel(tag) for tag in tags]
    if not all(known):
        raise no("no such search is kept up to date")
    return Ok("CANCELUPDATE completed")
