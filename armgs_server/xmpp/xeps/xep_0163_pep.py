# SPDX-License-Identifier: Apache-2.0
"""XEP-0163: Personal Eventing Protocol: every account is a pubsub service of its person.

Avatars (XEP-0084), bookmarks (XEP-0402), device keys (XEP-0384), what was displayed (XEP-0490) live here.
What must always hold: an event goes out only after its item is durable, and only to those whom the node's
access model lets see it.
"""

from __future__ import annotations

from dataclasses import replace

from armgs_server.directory import Principal
from armgs_server.xmpp import roster
from armgs_server.xmpp.iq import ACCOUNT, CONTACT, Query, Route
from armgs_server.xmpp.server import Server
from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps import (
    xep_0060_disco,
    xep_0060_requests,
    xep_0292_vcard4,
    xep_0398_avatars,
    xep_0402_bookmarks,
)
from armgs_server.xmpp.xeps.xep_0060_nodes import NAMESPACE, OWNER, Derived, Nodes, Reaction, Request

ACCOUNT_FEATURES = (
    *xep_0060_disco.ACCOUNT_FEATURES,
    *xep_0398_avatars.ACCOUNT_FEATURES,
    *xep_0402_bookmarks.ACCOUNT_FEATURES,
)
REACTIONS: dict[str, Reaction] = {
    xep_0292_vcard4.NODE: xep_0292_vcard4.on_node,
    xep_0402_bookmarks.LEGACY: xep_0402_bookmarks.on_legacy,
    xep_0402_bookmarks.NATIVE: xep_0402_bookmarks.on_native,
}
DERIVED: dict[str, Derived] = {xep_0292_vcard4.NODE: xep_0292_vcard4.derive}


def nodes_of(server: Server, person: Principal) -> Nodes:
    """The nodes of an account."""
    return Nodes(server, person.id, person.address, person, REACTIONS, DERIVED)


async def request_of(query: Query) -> Request:
    """The request to the account that an IQ is for."""
    person = await query.server.person(query.to)
    if person is None:
        raise StanzaError("service-unavailable")
    nodes, asker = nodes_of(query.server, person), query.session
    if asker.is_outside and not await roster.sees(query.server, person, asker.account.bare):
        nodes = replace(nodes, derived={})  # the directory is not for everybody elsewhere
    return Request(nodes, asker.jid, query.payload)


async def handle_get(query: Query) -> bytes:
    return await _answer(query, "get")


async def handle_set(query: Query) -> bytes:
    return await _answer(query, "set")


async def _answer(query: Query, type: str) -> bytes:
    request = await request_of(query)
    inner = await xep_0060_requests.answer(request, type)
    for action in request.after:
        await action()
    return inner


ROUTES: tuple[Route, ...] = (
    Route("get", NAMESPACE, "pubsub", ACCOUNT | CONTACT, handle_get, outside=True),
    Route("set", NAMESPACE, "pubsub", ACCOUNT | CONTACT, handle_set),
    Route("get", OWNER, "pubsub", ACCOUNT | CONTACT, handle_get),
    Route("set", OWNER, "pubsub", ACCOUNT | CONTACT, handle_set),
)
