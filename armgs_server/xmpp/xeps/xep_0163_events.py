# SPDX-License-Identifier: Apache-2.0
"""XEP-0163 §4: who hears what is published. A client asks for a node by the feature `NODE+notify`.

The features come from entity capabilities (XEP-0115): a session's `interests` are the nodes it asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from armgs_server.directory import Principal
from armgs_server.storage import clock, pubsub
from armgs_server.storage.pubsub import Node, PublishedItem
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import frame, roster
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import element
from armgs_server.xmpp.xeps import xep_0060_access, xep_0060_config, xep_0191_blocking
from armgs_server.xmpp.xeps.xep_0060_nodes import EVENT, Nodes
from armgs_server.xmpp.xeps.xep_0160_offline import delay

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

AVATAR = "urn:xmpp:avatar:metadata"  # XEP-0084


async def subscribers(server: Server, person: Principal) -> frozenset[str]:
    """Bare JIDs of those who see the person's presence; whom the person blocks sees none (XEP-0191 §3.3)."""
    account = server.accounts.get(person.address) or Account(person)
    found = (await roster.contacts(server, account)).subscribers
    blocked = account.blocked
    if blocked is None:
        blocked = await xep_0191_blocking.load(server, person.id)
    if not blocked:
        return found
    return frozenset(bare for bare in found if not xep_0191_blocking.is_blocked(blocked, parse(bare)))


def notify(nodes: Nodes, node: str, audience: Iterable[str], inner: bytes) -> None:
    """Tells those of the clients of these people that asked for the node (§4.3.2), wherever they are."""
    server, publisher = nodes.server, parse(nodes.address)
    for bare in audience:
        account = server.accounts.get(bare)
        if account is not None and not account.blocks(publisher):
            tell(nodes.address, account.available(), node, inner)
        elif server.abroad is not None:
            server.abroad.events.tell(nodes.address, bare, node, inner)
        server.announce(bare, frame.EVENT, inner, origin=nodes.address, argument=node)


def tell(publisher: str, sessions: Iterable[Session], node: str, inner: bytes) -> None:
    """Those of the sessions that asked for the node."""
    for session in sessions:
        if node == AVATAR and session.account.bare == publisher:
            session.account.photo = None  # what XEP-0398 remembers of it
        if node in session.interests:
            session.send(_event(publisher, session, inner))


def _event(publisher: str, session: Session, inner: bytes, extra: bytes = b"") -> bytes:
    attributes = {
        "type": "headline",
        "id": f"pep-{clock.unique_id():x}",  # XEP-0060 §12.4
        "from": publisher,
        "to": session.jid.full,
    }
    return element("message", attributes, element("event", {"xmlns": EVENT}, inner) + extra)


async def send_last(server: Server, session: Session, new: frozenset[str]) -> None:
    """§4.3.4: the last item of each node of the person and the contacts, for what is newly asked for."""
    account = session.account
    publishers = {account.owner: account.principal}
    for jid in (await roster.contacts(server, account)).watched:
        person = await server.directory.by_address(jid)
        if person is not None and not person.disabled:
            publishers[person.id] = person
    await send_last_of(server, session, new, publishers)


async def send_last_of(
    server: Server, session: Session, new: frozenset[str], publishers: Mapping[int, Principal]
) -> None:
    """The same, of these people."""
    account = session.account

    async def work(tx: Tx) -> list[tuple[PublishedItem, Node | None]]:
        found = await pubsub.last_items(tx, publishers, new)
        return [(item, await pubsub.get(tx, item.owner, item.node)) for item in found]

    for item, node in await server.store.read(work):
        publisher = publishers[item.owner]
        if node is not None and await _is_for(server, publisher, node, item, account.bare):
            inner = element("items", {"node": item.node}, item.payload)
            session.send(_event(publisher.address, session, inner, delay(publisher.address, item.time)))


async def _is_for(server: Server, publisher: Principal, node: Node, item: PublishedItem, bare: str) -> bool:
    """Whether that person gets the last item of the node on coming online."""
    config = xep_0060_config.from_data(node.config)
    if config.send_last_published_item != "on_sub_and_presence" or not config.deliver_notifications:
        return False
    if item.time < config.oldest(clock.now()):
        return False
    if publisher.address == bare:
        return True
    blocked = await xep_0191_blocking.load(server, publisher.id)
    if blocked and xep_0191_blocking.is_blocked(blocked, parse(bare)):
        return False
    nodes = Nodes(server, publisher.id, publisher.address, publisher)
    found = await server.store.read(lambda tx: xep_0060_access.standing(tx, nodes, node.name, bare))
    return found is not None and await xep_0060_access.may_read(nodes, found, bare)
