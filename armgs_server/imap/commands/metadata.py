# SPDX-License-Identifier: Apache-2.0
"""GETMETADATA, SETMETADATA: RFC 5464. Entries of mailboxes, and with the name "" private ones of the account.

A mailbox's shared entries are everybody's who may read it; who may WRITE it sets them. Private ones are
each person's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.errors import Denied, TooLarge
from armgs_server.imap.command import Ok
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import astring, bad, no, string
from armgs_server.storage import mail_metadata
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# RFC 5464 §3.2: entries are case-insensitive; no wildcards, no empty level.
_ENTRY = re.compile(r"/(private|shared)((?:/[\x21-\x24\x26-\x29\x2b-\x2e\x30-\x7e]+)+)", re.IGNORECASE)
MAX_NAME = 255
# Entries that one mailbox has for everybody, or for one person.
MAX_ENTRIES = 100
INFINITE = 1 << 30

Values = Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Place:
    """Whose annotations; `collection` is 0 for the account."""

    owner: int
    collection: int


def entry_name(cursor: Cursor) -> str:
    """entry = astring ; slash-separated path to entry, in lower case"""
    name = cursor.astring().decode("latin-1").lower()
    if not _ENTRY.fullmatch(name) or len(name) > MAX_NAME:
        raise bad("entries are named /private/NAME or /shared/NAME")
    return name


async def handle_getmetadata(session: Session, cursor: Cursor) -> Ok:
    """RFC 5464 §4.2"""
    cursor.space()
    options: dict[str, int] = {}
    if cursor.peek() == b"(":
        options = _options(cursor)
        cursor.space()
    name = cursor.mailbox()
    cursor.space()
    if cursor.peek() == b"(":
        wanted = cursor.parenthesised(lambda: entry_name(cursor))
    else:
        wanted = [entry_name(cursor)]
    cursor.end()
    place, _ = await _place(session, name)
    found = await _read(session, place, wanted, options.get("DEPTH", 0))
    limit = options.get("MAXSIZE", INFINITE)
    sizes = [len(value) for value in found.values() if value is not None and len(value) > limit]
    shown = {entry: value for entry, value in found.items() if value is None or len(value) <= limit}
    if shown:
        session.write(metadata_line(session.name(name), shown))
    return Ok("GETMETADATA completed", f"METADATA LONGENTRIES {max(sizes)}" if sizes else "")


def _options(cursor: Cursor) -> dict[str, int]:
    """getmetadata-options = "(" getmetadata-option *(SP getmetadata-option) ")" """
    options: dict[str, int] = {}

    def option() -> None:
        name = cursor.atom()
        cursor.space()
        if name == "MAXSIZE":
            options[name] = cursor.number()
        elif name == "DEPTH":
            depth = cursor.atom()
            if depth not in ("0", "1", "INFINITY"):
                raise bad("DEPTH is 0, 1 or infinity")
            options[name] = INFINITE if depth == "INFINITY" else int(depth)
        else:
            raise bad(f"no such option: {name}")

    cursor.parenthesised(option)
    return options


async def _place(session: Session, name: str) -> tuple[Place, Rights]:
    """RFC 5464 §4.2: with LOOKUP and one of the rights to the messages."""
    if not name:
        return Place(session.owner, 0), Rights.READ
    found = await session.reach.find(name, Rights.LOOKUP, may_be_empty_name=True)
    rights = await session.reach.rights(found)
    if not rights & (Rights.READ | Rights.SEEN | Rights.WRITE | Rights.INSERT | Rights.POST):
        raise Denied()
    return Place(found.owner, found.id), rights


async def mailbox_entries(session: Session, collection: Collection, wanted: Sequence[str]) -> Values:
    """For LIST (RFC 9590): nothing where the person may see the mailbox's name only."""
    if Rights.READ not in await session.reach.rights(collection):
        return {}
    return await _read(session, Place(collection.owner, collection.id), wanted, 0)


async def _read(session: Session, place: Place, wanted: Sequence[str], depth: int) -> Values:
    """The entries asked for, None where there is no value, and those up to `depth` levels below them."""

    async def work(tx: Tx) -> dict[str, bytes]:
        shared = await mail_metadata.of(tx, place.owner, place.collection, 0)
        private = await mail_metadata.of(tx, place.owner, place.collection, session.owner)
        return {f"/shared{name}": value for name, value in shared.items()} | {
            f"/private{name}": value for name, value in private.items()
        }

    there = await session.core.store.read(work)
    found: dict[str, bytes | None] = {}
    for name in wanted:
        if name in there or not depth:
            found[name] = there.get(name)
        below = name + "/"
        for each, value in there.items():
            if each.startswith(below) and each[len(below) :].count("/") < depth:
                found[each] = value
    return found


def metadata_line(name: bytes, values: Values) -> bytes:
    """metadata-resp = "METADATA" SP mailbox SP entry-values"""
    pairs = [b"%b %b" % (astring(entry.encode("ascii")), _value(value)) for entry, value in values.items()]
    return b"* METADATA %b (%b)\r\n" % (name, b" ".join(pairs))


def _value(value: bytes | None) -> bytes:
    """value = nstring / literal8"""
    if value is None:
        return b"NIL"
    return b"~{%d}\r\n%b" % (len(value), value) if b"\0" in value else string(value)


async def handle_setmetadata(session: Session, cursor: Cursor) -> Ok:
    """RFC 5464 §4.3"""
    cursor.space()
    name = cursor.mailbox()
    cursor.space()
    changes: dict[str, bytes | None] = {}

    def pair() -> None:
        entry = entry_name(cursor)
        cursor.space()
        changes[entry] = cursor.nstring()

    cursor.parenthesised(pair)
    cursor.end()
    place, rights = await _place(session, name)
    shared = {entry.removeprefix("/shared"): value for entry, value in changes.items() if entry[1] == "s"}
    private = {entry.removeprefix("/private"): value for entry, value in changes.items() if entry[1] == "p"}
    if shared and Rights.WRITE not in rights:
        raise Denied()

    async def work(tx: Tx) -> None:
        if shared:
            await mail_metadata.change(tx, place.owner, place.collection, 0, shared, MAX_ENTRIES)
        if private:
            await mail_metadata.change(tx, place.owner, place.collection, session.owner, private, MAX_ENTRIES)

    try:
        await session.core.store.write(work)
    except TooLarge as error:
        raise no(error.text, "METADATA TOOMANY") from error  # RFC 5464 §5
    return Ok("SETMETADATA completed")
