# SPDX-License-Identifier: Apache-2.0
"""CAPABILITY, NOOP, CHECK, LOGOUT (RFC 3501 §6.1, §6.4.1), ID (RFC 2971), ENABLE (RFC 5161)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server import __version__
from armgs_server.imap.command import Ok
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import bad, status

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# What ENABLE can switch on, as it is spelled.
ENABLEABLE = {name.upper(): name for name in ("CONDSTORE", "QRESYNC", "IMAP4rev2", "UTF8=ACCEPT", "UIDONLY")}
# RFC 2971 §3.3: at most 30 pairs.
MAX_ID_FIELDS = 30


async def handle_capability(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.1.1"""
    cursor.end()
    session.write(f"* CAPABILITY {session.capabilities()}\r\n".encode("ascii"))
    return Ok("CAPABILITY completed")


async def handle_noop(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.1.2: looks for changes even where no hint has come."""
    cursor.end()
    session.updates.stale = session.view is not None
    return Ok("NOOP completed")


async def handle_check(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.4.1: everything acknowledged is on disk already."""
    cursor.end()
    session.updates.stale = True
    return Ok("CHECK completed")


async def handle_logout(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.1.3"""
    cursor.end()
    await session.leave()
    session.write(status(b"*", b"BYE", "logging out"))
    session.is_ended = True
    return Ok("LOGOUT completed")


async def handle_id(session: Session, cursor: Cursor) -> Ok:
    """RFC 2971. What the client says goes to the log only."""
    cursor.space()
    fields: list[bytes | None] = []
    if cursor.peek() == b"(":
        fields = cursor.parenthesised(cursor.nstring)
    elif cursor.nstring() is not None:
        raise bad("list or NIL expected")
    cursor.end()
    if len(fields) % 2 or len(fields) > 2 * MAX_ID_FIELDS:
        raise bad("pairs of field and value expected")
    session.note_client(fields)
    session.write(f'* ID ("name" "armgs_server" "version" "{__version__}")\r\n'.encode("ascii"))
    return Ok("ID completed")


async def handle_enable(session: Session, cursor: Cursor) -> Ok:
    """RFC 5161 §3.1: what is unknown is ignored."""
    names = []
    while not cursor.is_at_end():
        cursor.space()
        names.append(cursor.atom())
    if not names:
        raise bad("capability expected")
    enabled = [name for name in dict.fromkeys(names) if name in ENABLEABLE and name not in session.enabled]
    if "QRESYNC" in enabled or "CONDSTORE" in enabled:
        session.enable_condstore()  # RFC 7162 §3.2.3
    session.enabled.update(enabled)
    if "IMAP4REV2" in enabled and session.view is not None:
        session.view.recents = None  # RFC 9051 knows no \Recent
    if "UIDONLY" in enabled and session.view is not None:
        session.view.uid_only = True
    shown = " ".join(["* ENABLED", *(ENABLEABLE[name] for name in enabled)])
    session.write(shown.encode("ascii") + b"\r\n")
    return Ok("ENABLE completed")
