# SPDX-License-Identifier: Apache-2.0
"""GENURLAUTH, URLFETCH, RESETKEY: RFC 4467. A person opens a message, or a part of one, to somebody else by a
URL that carries a token.

The token is a keyed hash of the URL, under the person's key for the mailbox (storage.url_keys). What it opens
is read with the rights that the person has at that moment. Whatever is wrong with a URL, the answer is NIL.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from armgs_server.directory import Principal, Rights
from armgs_server.imap.command import Ok
from armgs_server.imap.commands.url_content import Named, resolve
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.namespaces import locate
from armgs_server.imap.responses import ImapError, bad, no, string
from armgs_server.imap.urls import AuthorisedUrl, parse_authorised
from armgs_server.storage import clock, collections, url_keys
from armgs_server.storage.collections import Collection

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

KIND = "mail"
MECHANISM = "INTERNAL"
# RFC 4467 §7: the token says how it was made, so that another way may follow.
_VERSION = "01"
# URLs in one command.
MAX_URLS = 100


async def handle_genurlauth(session: Session, cursor: Cursor) -> Ok:
    """RFC 4467 §6.1: "GENURLAUTH" 1*(SP url-rump SP mechanism)"""
    pairs: list[tuple[AuthorisedUrl, Collection]] = []
    while not cursor.is_at_end():
        cursor.space()
        url = parse_authorised(cursor.astring().decode("utf-8", "replace"))
        cursor.space()
        if cursor.atom() != MECHANISM:
            raise bad("no such mechanism")
        if url is None or url.token:
            raise bad("a URL with an access and without a token is expected")
        if len(pairs) == MAX_URLS:
            raise no(f"more than {MAX_URLS} URLs", "LIMIT")
        if not await _is_own(session, url):
            raise bad("the URL is of another person, or of another server")
        pairs.append((url, await session.reach.find(url.message.mailbox, Rights.READ)))
    cursor.end()
    if not pairs:
        raise bad("URL expected")
    shown = []
    for url, mailbox in pairs:
        key = await session.core.store.write(lambda tx, at=mailbox: url_keys.make(tx, session.owner, at))  # type: ignore[misc]
        shown.append(string(f"{url.rump}:{MECHANISM.lower()}:{_token(key, url.rump)}".encode()))
    session.write(b"* GENURLAUTH %b\r\n" % b" ".join(shown))
    return Ok("GENURLAUTH completed")


async def _is_own(session: Session, url: AuthorisedUrl) -> bool:
    if url.host != session.core.config.server.hostname.lower():
        return False
    named = await session.core.directory.resolve(url.user)
    return named is not None and named.id == session.owner


def _token(key: bytes, rump: str) -> str:
    return _VERSION + hmac.new(key, rump.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


async def handle_resetkey(session: Session, cursor: Cursor) -> Ok:
    """RFC 4467 §6.2: "RESETKEY" [SP mailbox *(SP mechanism)]"""
    if cursor.is_at_end():
        await session.core.store.write(lambda tx: url_keys.reset(tx, session.owner, None))
        return Ok("all keys are thrown away")
    cursor.space()
    name = cursor.mailbox()
    while not cursor.is_at_end():
        cursor.space()
        cursor.atom()
    cursor.end()
    mailbox = await session.reach.find(name, Rights.LOOKUP)
    await session.core.store.write(lambda tx: url_keys.reset(tx, session.owner, mailbox))
    return Ok("the key is thrown away", f"URLMECH {MECHANISM}")


async def handle_urlfetch(session: Session, cursor: Cursor) -> Ok:
    """RFC 4467 §6.3: "URLFETCH" 1*(SP url)"""
    urls: list[bytes] = []
    while not cursor.is_at_end():
        cursor.space()
        urls.append(cursor.astring())
    cursor.end()
    if not 0 < len(urls) <= MAX_URLS:
        raise bad(f"from one to {MAX_URLS} URLs are expected")
    store = session.core.store
    for text in urls:
        named = await _open(session, parse_authorised(text.decode("utf-8", "replace")))
        if named is None:
            session.write(b"* URLFETCH %b NIL\r\n" % string(text))
            continue
        session.write(b"* URLFETCH %b {%d}\r\n" % (string(text), named.size))
        async for chunk in named.chunks(store):
            session.write(chunk)
            await session.stream.drain()
        session.write(b"\r\n")
    return Ok("URLFETCH completed")


async def _open(session: Session, url: AuthorisedUrl | None) -> Named | None:
    if url is None or url.mechanism != MECHANISM or not await _is_meant(session, url):
        return None
    core = session.core
    if url.host != core.config.server.hostname.lower():
        return None
    if url.expires is not None and url.expires <= clock.now():
        return None
    person = await core.directory.resolve(url.user)
    mailbox = await _mailbox(session, person, url.message.mailbox) if person is not None else None
    if person is None or person.disabled or mailbox is None:
        return None
    key = await core.store.read(lambda tx: url_keys.get(tx, person.id, mailbox))
    if key is None or not hmac.compare_digest(_token(key, url.rump), url.token):
        return None
    try:
        return await resolve(core.store, mailbox, url.message)
    except ImapError:  # a section that no message has
        return None


async def _is_meant(session: Session, url: AuthorisedUrl) -> bool:
    """RFC 4467 §3: nobody here speaks for a submission server, so submit+ opens nothing."""
    if url.access in ("anonymous", "authuser"):
        return True
    if url.access != "user":
        return False
    named = await session.core.directory.resolve(url.accessor)
    return named is not None and named.id == session.owner


async def _mailbox(session: Session, person: Principal, name: str) -> Collection | None:
    """The mailbox that the person who made a URL means by its name, while that person may read it."""
    core = session.core
    place = await locate(core.directory, person, name)
    if place is None:
        return None
    found = await core.store.read(lambda tx: collections.by_path(tx, place.owner.id, KIND, place.path))
    if found is None or found.owner == person.id:
        return found
    return found if Rights.READ in await core.directory.access.rights(person, found) else None
