# SPDX-License-Identifier: Apache-2.0
"""GETACL, SETACL, DELETEACL, LISTRIGHTS, MYRIGHTS: RFC 4314.

Identifiers are addresses of the directory (people, groups, units; a department is its domain), and
`anyone`. The owner has every right always and cannot be given less. Negative rights are not kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.directory.access import (
    EVERYBODY,
    EVERYTHING,
    LETTERS,
    NOTHING,
    parse_rights,
    serialise_rights,
)
from armgs_server.errors import Denied, Invalid, NotFound
from armgs_server.imap.command import Ok
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import astring, bad, no
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

ANYONE = "anyone"
# RFC 4314 §2.1.1: c is k and x, d is t and e; shown to clients of RFC 2086 beside their successors.
_CREATE = Rights.CREATE | Rights.DELETE_COLLECTION
_DELETE = Rights.DELETE_ITEMS | Rights.EXPUNGE


def shown(rights: Rights) -> bytes:
    """The letters, with the obsolete ones that stand for some of them."""
    letters = serialise_rights(rights)
    return (letters + "c" * bool(rights & _CREATE) + "d" * bool(rights & _DELETE)).encode("ascii")


async def handle_getacl(session: Session, cursor: Cursor) -> Ok:
    """RFC 4314 §3.3"""
    name, mailbox = await _administered(session, cursor)
    cursor.end()
    directory = session.core.directory
    pieces = [b"* ACL %b" % session.name(name)]
    owner = await directory.by_id(mailbox.owner)
    if owner is not None and owner.kind == "person":
        pieces.append(b"%b %b" % (astring(owner.address.encode()), shown(EVERYTHING)))
    for grantee, rights in (await directory.access.grants(mailbox)).items():
        principal = None if grantee == EVERYBODY else await directory.by_id(grantee)
        if grantee == EVERYBODY:
            pieces.append(b"%b %b" % (ANYONE.encode(), shown(rights)))
        elif principal is not None and principal.address:
            pieces.append(b"%b %b" % (astring(principal.address.encode()), shown(rights)))
    session.write(b" ".join(pieces) + b"\r\n")
    return Ok("GETACL completed")


async def handle_setacl(session: Session, cursor: Cursor) -> Ok:
    """RFC 4314 §3.1: mod-rights = [+ / -] letters"""
    _, mailbox = await _administered(session, cursor)
    cursor.space()
    identifier = _identifier(cursor)
    cursor.space()
    asked = cursor.astring().decode("latin-1")
    cursor.end()
    sign = asked[:1] if asked[:1] in ("+", "-") else ""
    try:
        rights = parse_rights(asked.removeprefix(sign) if sign else asked)
    except Invalid as error:
        raise bad(error.text) from error  # RFC 4314 §3.1: unknown rights are refused with BAD
    grantee = await _grantee(session, mailbox, identifier)
    before = (await session.core.directory.access.grants(mailbox)).get(grantee, NOTHING)
    after = before | rights if sign == "+" else before & ~rights if sign == "-" else rights
    await _grant(session, mailbox, grantee, after)
    return Ok("SETACL completed")


async def handle_deleteacl(session: Session, cursor: Cursor) -> Ok:
    """RFC 4314 §3.2"""
    _, mailbox = await _administered(session, cursor)
    cursor.space()
    identifier = _identifier(cursor)
    cursor.end()
    await _grant(session, mailbox, await _grantee(session, mailbox, identifier), NOTHING)
    return Ok("DELETEACL completed")


async def handle_listrights(session: Session, cursor: Cursor) -> Ok:
    """RFC 4314 §3.4: each right may be given alone; the owner's are always there."""
    name, mailbox = await _administered(session, cursor)
    cursor.space()
    identifier = _identifier(cursor)
    cursor.end()
    owner = await session.core.directory.by_id(mailbox.owner)
    is_owner = owner is not None and owner.kind == "person" and owner.address == identifier
    required = shown(EVERYTHING) if is_owner else b'""'
    optional = b"" if is_owner else b" " + b" ".join(letter.encode("ascii") for letter in LETTERS)
    shown_name, shown_identifier = session.name(name), astring(identifier.encode("utf-8"))
    session.write(b"* LISTRIGHTS %b %b %b%b\r\n" % (shown_name, shown_identifier, required, optional))
    return Ok("LISTRIGHTS completed")


async def handle_myrights(session: Session, cursor: Cursor) -> Ok:
    """RFC 4314 §3.5"""
    cursor.space()
    name = cursor.mailbox()
    cursor.end()
    mailbox = await session.reach.find(name, Rights.LOOKUP, may_be_empty_name=True)
    rights = await session.reach.rights(mailbox)
    session.write(b"* MYRIGHTS %b %b\r\n" % (session.name(name), shown(rights)))
    return Ok("MYRIGHTS completed")


async def _administered(session: Session, cursor: Cursor) -> tuple[str, Collection]:
    cursor.space()
    name = cursor.mailbox()
    return name, await session.reach.find(name, Rights.LOOKUP | Rights.ADMIN, may_be_empty_name=True)


def _identifier(cursor: Cursor) -> str:
    identifier = cursor.astring().decode("utf-8", "replace")
    if identifier.startswith("-"):  # RFC 4314 §2: negative rights are optional
        raise no("negative rights are not kept here", "CANNOT")
    return identifier


async def _grantee(session: Session, mailbox: Collection, identifier: str) -> int:
    if identifier == ANYONE:
        return EVERYBODY
    try:
        found = await session.core.directory.by_address(identifier)
    except Invalid as error:
        raise no("nobody has that address", "NONEXISTENT") from error
    if found is None or found.kind in ("room", "equipment", "chatroom"):
        raise no("nobody has that address", "NONEXISTENT")
    if found.id == mailbox.owner and found.kind == "person":
        raise no("the owner has every right", "CANNOT")
    return found.id


async def _grant(session: Session, mailbox: Collection, grantee: int, rights: Rights) -> None:
    """Once more with the right that it takes, which may be gone since the look at it."""
    access = session.core.directory.access
    if Rights.ADMIN not in await session.reach.rights(mailbox):
        raise Denied()

    async def work(tx: Tx) -> None:
        if await tx.row("SELECT 1 FROM collection WHERE owner = ? AND id = ?", mailbox.owner, mailbox.id):
            await access.grant(tx, mailbox, grantee, rights)
            return
        raise NotFound()

    await session.core.store.write(work)
