# SPDX-License-Identifier: Apache-2.0
"""XEP-0030 of accounts, which are pubsub services (XEP-0163 §6): features, nodes, items."""

from __future__ import annotations

from armgs_server.xmpp import roster
from armgs_server.xmpp.iq import ACCOUNT, CONTACT, Query, Route
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps import xep_0050_table, xep_0060_disco
from armgs_server.xmpp.xeps.xep_0030_disco import INFO, ITEMS, info
from armgs_server.xmpp.xeps.xep_0050_commands import NAMESPACE as COMMANDS
from armgs_server.xmpp.xeps.xep_0163_pep import request_of

_IDENTITIES = (("account", "registered", ""), ("pubsub", "pep", ""))


async def handle_account_info(query: Query) -> bytes:
    command = xep_0050_table.find("account", query.payload.get("node") or "")
    if command is not None:
        identities, features = await xep_0050_table.info(query, command)
        return info(identities, features, command.node)
    return await _info(query)


async def handle_account_items(query: Query) -> bytes:
    """XEP-0060 §5.2: the nodes, or a node's items."""
    if query.payload.get("node") == COMMANDS:
        commands = await xep_0050_table.items(query, "account")
        return element("query", {"xmlns": ITEMS, "node": COMMANDS}, commands)
    return await _items(query)


async def handle_contact_info(query: Query) -> bytes:
    """XEP-0030 §8: of the account only for who may see the presence; of a node for who may see the node."""
    if not query.payload.get("node"):
        await _check_authorised(query)
    return await _info(query)


async def handle_contact_items(query: Query) -> bytes:
    if not query.payload.get("node"):
        await _check_authorised(query)
    return await _items(query)


async def _info(query: Query) -> bytes:
    node = query.payload.get("node") or ""
    if not node:
        return info(_IDENTITIES, query.server.account_features)
    request = await request_of(query)
    return await xep_0060_disco.node_info(request.nodes, node, request.origin)


async def _items(query: Query) -> bytes:
    request = await request_of(query)
    return await xep_0060_disco.items(request.nodes, request.payload, request.origin)


async def _check_authorised(query: Query) -> None:
    person = await query.server.person(query.to)
    asker = query.session.account.bare
    if person is None or not await roster.sees(query.server, person, asker):
        raise StanzaError("service-unavailable")


ROUTES: tuple[Route, ...] = (
    Route("get", INFO, "query", ACCOUNT, handle_account_info),
    Route("get", ITEMS, "query", ACCOUNT, handle_account_items),
    Route("get", INFO, "query", CONTACT, handle_contact_info, outside=True),
    Route("get", ITEMS, "query", CONTACT, handle_contact_items, outside=True),
)
