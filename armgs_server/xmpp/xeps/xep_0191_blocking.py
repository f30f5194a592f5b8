# SPDX-License-Identifier: Apache-2.0
"""XEP-0191: Blocking Command. The list is a document of the owner: bare, full or domain JIDs by line."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from armgs_server.storage import documents, sessions
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import frame, roster
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.iq import ACCOUNT, Query, Route
from armgs_server.xmpp.jid import JID, is_among, parse
from armgs_server.xmpp.stanza import StanzaError, element, head
from armgs_server.xmpp.xeps import xep_0377_reporting

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

NAMESPACE = "urn:xmpp:blocking"
FEATURES = (NAMESPACE,)
BLOCKED_ERROR = element("blocked", {"xmlns": "urn:xmpp:blocking:errors"})
DOCUMENT = "blocklist"
_MAX_ENTRIES = 2000
_NOBODY: frozenset[str] = frozenset()  # one for all: an empty set takes 216 bytes


def is_blocked(blocked: frozenset[str], jid: JID) -> bool:
    """Whether a block list names the JID."""
    return is_among(blocked, jid)


async def load(server: Server, owner: int) -> frozenset[str]:
    """The owner's block list."""
    return read(await server.store.read(lambda tx: documents.get(tx, owner, DOCUMENT)))


def read(value: bytes | None) -> frozenset[str]:
    """The entries of a stored block list."""
    return frozenset(value.decode().split("\n")) if value else _NOBODY


async def handle_get(query: Query) -> bytes:
    query.session.wants_blocklist = True  # §3.2: from now on it gets pushes
    blocked = await load(query.server, query.owner)
    return element("blocklist", {"xmlns": NAMESPACE}, _items(sorted(blocked)))


async def handle_block(query: Query) -> bytes:
    jids = _jids(query)
    if not jids:
        raise StanzaError("bad-request", "whom to block?")  # §3.3
    xep_0377_reporting.check(query)
    owner = query.owner

    async def work(tx: Tx) -> frozenset[str]:
        value = await documents.get(tx, owner, DOCUMENT)
        blocked = (set(value.decode().split("\n")) if value else set()) | set(jids)
        if len(blocked) > _MAX_ENTRIES:
            raise StanzaError("resource-constraint", "the block list is full")
        await _put(tx, query.session.account, blocked)
        return frozenset(blocked)

    blocked = await query.server.store.write(work)
    account = query.session.account
    # §3.3: the blocked contact sees the person go offline, while that can still be sent.
    await _tell(query.server, account, jids, is_available=False)
    account.blocked = blocked
    xep_0377_reporting.journal(query)
    query.after(lambda: _push_everywhere(query.server, account, "block", jids))
    return b""


async def handle_unblock(query: Query) -> bytes:
    jids = _jids(query)
    owner = query.owner

    async def work(tx: Tx) -> frozenset[str]:
        value = await documents.get(tx, owner, DOCUMENT)
        blocked = frozenset(value.decode().split("\n")) if value else frozenset()
        blocked = blocked - set(jids) if jids else frozenset()  # §3.4: empty = unblock all
        await _put(tx, query.session.account, blocked)
        return blocked

    account = query.session.account
    before = account.blocked or frozenset()
    account.blocked = await query.server.store.write(work)
    await _tell(query.server, account, sorted(before - account.blocked), is_available=True)
    query.after(lambda: _push_everywhere(query.server, account, "unblock", jids))
    return b""


async def _put(tx: Tx, account: Account, blocked: Collection[str]) -> None:
    await documents.put(tx, account.owner, DOCUMENT, "\n".join(sorted(blocked)).encode())
    sessions.tell(tx, [account.bare])  # who is read about together with the list


def _jids(query: Query) -> list[str]:
    items = [item for item in query.payload if item.tag == f"{{{NAMESPACE}}}item"]
    return list(dict.fromkeys(parse(item.get("jid") or "").full for item in items))


def _items(jids: list[str]) -> bytes:
    return b"".join(element("item", {"jid": jid}) for jid in jids)


def _push_everywhere(server: Server, account: Account, name: str, jids: list[str]) -> None:
    push(account, name, jids)
    server.announce(account.bare, frame.BLOCKLIST, "\n".join(jids).encode(), argument=name)


def push(account: Account, name: str, jids: list[str]) -> None:
    """§3.3, §3.4: tells the sessions of this process that asked for the list."""
    inner = element(name, {"xmlns": NAMESPACE}, _items(jids))
    for session in list(account.sessions.values()):
        if session.wants_blocklist:
            attributes = {"type": "set", "id": f"{name}-{len(jids)}", "to": session.jid.full}
            session.send(element("iq", attributes, inner))


async def _tell(server: Server, account: Account, jids: list[str], *, is_available: bool) -> None:
    """§3.3 and §3.4: subscribers among the JIDs see the person leave, or come back."""
    named = frozenset(jids)
    sessions = await server.presences(account.bare)
    for bare in (await roster.contacts(server, account)).subscribers:
        contact = parse(bare)
        if bare == account.bare or not is_blocked(named, contact):
            continue
        for full, presence in sessions:
            tail = presence if is_available else b" type='unavailable'/>"
            server.send_to_available(contact, head("presence", full, bare) + tail)


ROUTES = (
    Route("get", NAMESPACE, "blocklist", ACCOUNT, handle_get),
    Route("set", NAMESPACE, "block", ACCOUNT, handle_block),
    Route("set", NAMESPACE, "unblock", ACCOUNT, handle_unblock),
)
