# SPDX-License-Identifier: Apache-2.0
"""XEP-0030: Service Discovery of the server; accounts are in xep_0163_disco. What is told is computed."""

from __future__ import annotations

from collections.abc import Iterable

from armgs_server.xmpp.iq import SERVER, Query, Route
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps import xep_0050_commands, xep_0050_table, xep_0115_caps, xep_0157_contacts

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
FEATURES = (INFO, ITEMS)
ACCOUNT_FEATURES = (INFO, ITEMS)


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
    command = xep_0050_table.find("server", node)
    if command is not None and not query.session.is_outside:
        identities, features = await xep_0050_table.info(query, command)
        return info(identities, features, node)
    if node and node != xep_0115_caps.node_with_hash(query.server, query.to.domain):
        raise StanzaError("item-not-found")
    contacts = xep_0157_contacts.form(query.server.config)
    return info(xep_0115_caps.IDENTITIES, query.server.features, node, contacts)


async def handle_server_items(query: Query) -> bytes:
    if query.payload.get("node") == xep_0050_commands.NAMESPACE and not query.session.is_outside:
        commands = await xep_0050_table.items(query, "server")
        return element("query", {"xmlns": ITEMS, "node": xep_0050_commands.NAMESPACE}, commands)
    if query.payload.get("node"):
        raise StanzaError("item-not-found")
    domain = query.to.domain
    items = b"".join(
        element("item", {"jid": f"{label}.{domain}", "name": host.name})
        for label, host in sorted(query.server.hosts.items())
    )
    if query.server.abroad is not None:
        below = query.server.abroad.components.below(domain)
        items += b"".join(element("item", {"jid": component}) for component in below)
    return element("query", {"xmlns": ITEMS}, items)


ROUTES = (
    Route("get", INFO, "query", SERVER, handle_server_info, outside=True),
    Route("get", ITEMS, "query", SERVER, handle_server_items, outside=True),
)
