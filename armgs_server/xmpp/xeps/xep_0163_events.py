# SPDX-License-Identifier: Apache-2.0
"""XEP-0163 §4: who hears what is published. A client asks for a node by the feature `NODE+notify`.

The features come from entity capabilities (XEP-0115): a session's `interests` are the nodes it asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from armgs_server.storage import pubsub
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import frame, roster
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import element

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

EVENT = "http://jabber.org/protocol/pubsub#event"


async def notify(server: Server, account: Account, node: str, access_model: str, inner: bytes) -> None:
    """Tells the person's own clients, and those contacts' that may see the node (§4.3.2)."""
    _tell_everywhere(server, account.bare, account.bare, node, inner)
    if access_model not in ("open", "presence", "roster"):
        return
    for jid in (await roster.contacts(server, account)).subscribers:
        if jid != account.bare:
            _tell_everywhere(server, account.bare, jid, node, inner)


def _tell_everywhere(server: Server, publisher: str, bare: str, node: str, inner: bytes) -> None:
    account = server.accounts.get(bare)
    if account is not None:
        tell(publisher, account.available(), node, inner)
    server.announce(bare, frame.EVENT, inner, origin=publisher, argument=node)


def tell(publisher: str, sessions: Iterable[Session], node: str, inner: bytes) -> None:
    """Those of the sessions that asked for the node."""
    for session in sessions:
        if node in session.interests:
            session.send(_event(publisher, session, inner))


def _event(publisher: str, session: Session, inner: bytes) -> bytes:
    attributes = {"type": "headline", "from": publisher, "to": session.jid.full}
    return element("message", attributes, element("event", {"xmlns": EVENT}, inner))


async def send_last(server: Server, session: Session, new: frozenset[str]) -> None:
    """§4.3.4: the last item of each node of the person and the contacts, for what is newly asked for."""
    account = session.account
    publishers = {account.owner: account.bare}
    for jid in (await roster.contacts(server, account)).watched:
        person = await server.directory.by_address(jid)
        if person is not None and not person.disabled:
            publishers[person.id] = person.address

    async def work(tx: Tx) -> list[tuple[pubsub.PublishedItem, dict[str, str]]]:
        found = [item for item in await pubsub.last_items(tx, publishers) if item.node in new]
        return [(item, await pubsub.config(tx, item.owner, item.node) or {}) for item in found]

    for item, config in await server.store.read(work):
        is_own = item.owner == account.owner
        is_open = config.get("access_model") in ("open", "presence", "roster")
        if config.get("send_last_published_item") != "never" and (is_own or is_open):
            inner = element("items", {"node": item.node}, item.payload)
            session.send(_event(publishers[item.owner], session, inner))
