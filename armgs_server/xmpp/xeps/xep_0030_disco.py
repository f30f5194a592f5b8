# SPDX-License-Identifier: Apache-2.0
"""XEP-0030: Service Discovery of the server and of accounts. What is told is computed from the XEP files."""

from __future__ import annotations

from collections.abc import Iterable

from armgs_server.storage import pubsub
from armgs_server.xmpp import roster
from armgs_server.xmpp.iq import ACCOUNT, CONTACT, SERVER, Query, Route
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps import xep_0115_caps

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
FEATURES = (INFO, ITEMS)
ACCOUNT_FEATURES = (INFO, ITEMS)
_PEP = ("pubsub", "pep", "")  # XEP-0163 §5: every account is a pubsub service


def info(
    identities: Iterable[tuple[str, str, str]], features: Iterable[str], node: str = "", extra: bytes = b""
) -> bytes:
    """A disco#info `<query/>`: identities are (category, type, name), `extra` forms (XEP-0128)."""
    inner = b"".join(
        element("identity", {"category": category, "type": type_, "name": name})
        for category, type_, name in identities
    )
    inner += b"".join(element("feature", {"var": feature}) for feature in sorted(set(features)))
    return element("query", {"xmlns": INFO, "node": node}, inner + extra)


async def handle_server_info(query: Query) -> bytes:
    node = query.payload.get("node") or ""
    if node and node != xep_0115_caps.node_with_hash(query.server, query.to.domain):
        raise StanzaError("item-not-found")
    return info(xep_0115_caps.IDENTITIES, query.server.features, node)


async def handle_server_items(query: Query) -> bytes:
    if query.payload.get("node"):
        raise StanzaError("item-not-found")
    domain = query.to.domain
    items = b"".join(
        element("item", {"jid": f"{label}.{domain}", "name": host.name})
        for label, host in sorted(query.server.hosts.items())
    )
    return element("query", {"xmlns": ITEMS}, items)


async def handle_account_info(query: Query) -> bytes:
    if query.payload.get("node"):
        raise StanzaError("item-not-found")
    return info([("account", "registered", ""), _PEP], query.server.account_features)


async def handle_account_items(query: Query) -> bytes:
    """XEP-0060 §5.2: the nodes, or a node's items."""
    node, owner, jid = query.payload.get("node") or "", query.owner, query.session.account.bare
    if node:
        found = await query.server.store.read(lambda tx: pubsub.items(tx, owner, node))
        listed = [{"jid": jid, "name": item.id} for item in found]
    else:
        names = await query.server.store.read(lambda tx: pubsub.nodes(tx, owner))
        listed = [{"jid": jid, "node": name} for name in names]
    inner = b"".join(element("item", each) for each in listed)
    return element("query", {"xmlns": ITEMS, "node": node}, inner)


async def handle_contact_info(query: Query) -> bytes:
    """§8: only for who may see the presence."""
    await _check_authorised(query)
    return info([("account", "registered", ""), _PEP], ACCOUNT_FEATURES)


async def handle_contact_items(query: Query) -> bytes:
    await _check_authorised(query)
    return element("query", {"xmlns": ITEMS})


async def _check_authorised(query: Query) -> None:
    person = await query.server.person(query.to)
    asker = query.session.account.bare
    if person is None or not await roster.sees(query.server, person, asker):
        raise StanzaError("service-unavailable")


ROUTES = (
    Route("get", INFO, "query", SERVER, handle_server_info),
    Route("get", ITEMS, "query", SERVER, handle_server_items),
    Route("get", INFO, "query", ACCOUNT, handle_account_info),
    Route("get", ITEMS, "query", ACCOUNT, handle_account_items),
    Route("get", INFO, "query", CONTACT, handle_contact_info),
    Route("get", ITEMS, "query", CONTACT, handle_contact_items),
)
