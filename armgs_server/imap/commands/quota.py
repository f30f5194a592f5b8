# SPDX-License-Identifier: Apache-2.0
"""GETQUOTA, GETQUOTAROOT: RFC 9208. The one root, "", is the person's account over all kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.imap.command import Ok
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.mailbox_names import encode_mailbox
from armgs_server.imap.responses import astring, no
from armgs_server.storage import accounts

if TYPE_CHECKING:
    from armgs_server.imap.session import Session


async def handle_getquota(session: Session, cursor: Cursor) -> Ok:
    """RFC 9208 §4.2.1"""
    cursor.space()
    root = cursor.astring()
    cursor.end()
    if root:
        raise no("no such quota root", "NONEXISTENT")
    await _quota(session, session.owner)
    return Ok("GETQUOTA completed")


async def handle_getquotaroot(session: Session, cursor: Cursor) -> Ok:
    """RFC 9208 §4.2.2"""
    cursor.space()
    name = cursor.mailbox()
    cursor.end()
    found = await session.mailbox(name, Rights.READ)
    session.write(b'* QUOTAROOT %b ""\r\n' % astring(encode_mailbox(name)))
    await _quota(session, found.owner)
    return Ok("GETQUOTAROOT completed")


async def _quota(session: Session, owner: int) -> None:
    usage = await session.core.store.read(lambda tx: accounts.usage(tx, owner))
    if usage.quota:  # RFC 9208 §5.1.1: STORAGE counts units of 1024 octets
        used, limit = -(-usage.bytes // 1024), usage.quota // 1024
        session.write(b'* QUOTA "" (STORAGE %d %d)\r\n' % (used, limit))
    else:
        session.write(b'* QUOTA "" ()\r\n')
