# SPDX-License-Identifier: Apache-2.0
"""XEP-0012: Last Activity: how long the server runs, and whether a contact is here."""

from __future__ import annotations

from armgs_server.storage import clock
from armgs_server.xmpp import roster
from armgs_server.xmpp.iq import CONTACT, SERVER, Query, Route
from armgs_server.xmpp.stanza import StanzaError, element

NAMESPACE = "jabber:iq:last"
FEATURES = (NAMESPACE,)


async def handle_server(query: Query) -> bytes:
    """§5: seconds since the server was started."""
    seconds = (clock.now() - query.server.started) // clock.SECOND
    return element("query", {"xmlns": NAMESPACE, "seconds": str(seconds)})


async def handle_contact(query: Query) -> bytes:
    """§4: 0 for who is available; only who sees the presence may ask."""
    person = await query.server.person(query.to)
    if person is None or not await roster.sees(query.server, person, query.session.account.bare):
        raise StanzaError("forbidden")
    if not await query.server.presences(query.to.bare):
        raise StanzaError("item-not-found", "the time of leaving is not kept")
    return element("query", {"xmlns": NAMESPACE, "seconds": "0"})


ROUTES = (
    Route("get", NAMESPACE, "query", SERVER, handle_server, outside=True),
    Route("get", NAMESPACE, "query", CONTACT, handle_contact, outside=True),
)
