# SPDX-License-Identifier: Apache-2.0
"""GETQUOTA, GETQUOTAROOT, SETQUOTA: RFC 9208. A root is an account over all kinds: "" the person's own,
another's under its address. Only administrators set it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.directory import Principal, Rights
from armgs_server.directory.administrators import is_administrator
from armgs_server.errors import Denied, Invalid
from armgs_server.imap.command import Ok
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import astring, bad, no
from armgs_server.storage import accounts

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# RFC 9208 §5.1: STORAGE counts units of 1024 octets.
UNIT = 1024


async def handle_getquota(session: Session, cursor: Cursor) -> Ok:
    """RFC 9208 §4.1.1"""
    cursor.space()
    root = cursor.astring()
    cursor.end()
    owner = await _owner(session, root)
    if owner.id != session.owner and not await _administers(session, owner):
        raise no("no such quota root", "NONEXISTENT")
    await _write_quota(session, owner)
    return Ok("GETQUOTA completed")


async def handle_getquotaroot(session: Session, cursor: Cursor) -> Ok:
    """RFC 9208 §4.1.2"""
    cursor.space()
    name = cursor.mailbox()
    cursor.end()
    found = await session.reach.find(name, Rights.READ)
    owner = await session.core.directory.by_id(found.owner)
    if owner is None:
        raise no("no such mailbox", "NONEXISTENT")
    session.write(b"* QUOTAROOT %b %b\r\n" % (session.name(name), _root(session, owner)))
    await _write_quota(session, owner)
    return Ok("GETQUOTAROOT completed")


async def handle_setquota(session: Session, cursor: Cursor) -> Ok:
    """RFC 9208 §4.1.3; an empty list takes the limit away."""
    cursor.space()
    root = cursor.astring()
    cursor.space()
    limits: dict[str, int] = {}

    def limit() -> None:
        name = cursor.atom()
        cursor.space()
        limits[name] = cursor.mod_sequence()  # RFC 9208 §7: resource-limit is a number64

    cursor.parenthesised(limit)
    cursor.end()
    if limits.keys() - {"STORAGE"}:
        raise bad("only STORAGE is limited here")
    owner = await _owner(session, root)
    if not await _administers(session, owner):
        if owner.id != session.owner:
            raise no("no such quota root", "NONEXISTENT")
        raise Denied()
    quota = max(limits["STORAGE"] * UNIT, 1) if limits else 0
    await session.core.store.write(lambda tx: accounts.set_quota(tx, owner.id, quota))
    await _write_quota(session, owner)
    return Ok("SETQUOTA completed")


async def _owner(session: Session, root: bytes) -> Principal:
    if not root:
        return session.person
    try:
        found = await session.core.directory.by_address(root.decode("utf-8", "replace"))
    except Invalid as error:
        raise no("no such quota root", "NONEXISTENT") from error
    if found is None:
        raise no("no such quota root", "NONEXISTENT")
    return found


async def _administers(session: Session, owner: Principal) -> bool:
    return await is_administrator(session.core.directory, session.person, owner.department)


def _root(session: Session, owner: Principal) -> bytes:
    return b'""' if owner.id == session.owner else astring(owner.address.encode("utf-8"))


async def _write_quota(session: Session, owner: Principal) -> None:
    usage = await session.core.store.read(lambda tx: accounts.usage(tx, owner.id))
    shown = b""
    if usage.quota:
        shown = b"STORAGE %d %d" % (-(-usage.bytes // UNIT), usage.quota // UNIT)
    session.write(b"* QUOTA %b (%b)\r\n" % (_root(session, owner), shown))
