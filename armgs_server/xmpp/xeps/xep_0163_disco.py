# SPDX-License-Identifier: Apache-2.0
"""XEP-0030 of accounts, which are pubsub services (XEP-0163 §6): features, nodes, items."""

from __future__ import annotations

from armgs_server.errors import DomainError
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
    """XEP-0030 §8: of the account only for who may see the presence; of a node for who may see the node.

    Others are told what they would be told if there were no such account.
    """
    is_authorised = await _is_authorised(query)
    if not query.payload.get("node") and not is_authorised:
        raise StanzaError("service-unavailable")
    try:
        return await _info(query)
    except DomainError:
        if is_authorised:
            raise
        raise StanzaError("service-unavailable") from None


async def handle_contact_items(query: Query) -> bytes:
    """XEP-0030 §8: an empty result for who may not see the presence, but for nodes that are open to them."""
    try:
        return await _items(query)
    except DomainError:
        if await _is_authorised(query):
            raise
        return no_items(query.payload.get("node") or "")


def no_items(node: str) -> bytes:
    """XEP-0030 §8: what is said of an account that does not exist."""
    return element("query", {"xmlns": ITEMS, "node": node})


async def _info(query: Query) -> bytes:
    node = query.payload.get("node") or ""
    if not node:
        return info(_IDENTITIES, query.server.account_features)
    request = await request_of(query)
    return await xep_0060_disco.node_info(request.nodes, node, request.origin)


async def _items(query: Query) -> bytes:
    request = await request_of(query)
    return await xep_0060_disco.items(request.nodes, request.payload, request.origin)


async def _is_authorised(query: Query) -> bool:
    person = await query.server.person(query.to)
    return person is not None and await roster.sees(query.server, person, query.session.account.bare)


ROUTES: tuple[Route, ...] = (
    Route("get", INFO, "query", ACCOUNT, handle_account_info),
    Route("get", ITEMS, "query", ACCOUNT, handle_account_items),
    Route("get", INFO, "query", CONTACT, handle_contact_info, outside=True),
    Route("get", ITEMS, "query", CONTACT, handle_contact_items, outside=True),
)
