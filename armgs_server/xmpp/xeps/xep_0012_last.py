# SPDX-License-Identifier: Apache-2.0
"""XEP-0012: Last Activity: how long the server runs, and since when a contact is not here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.storage import clock, last_activity
from armgs_server.storage.last_activity import LastActivity
from armgs_server.xmpp import roster
from armgs_server.xmpp.iq import ACCOUNT, CONTACT, SERVER, Query, Route
from armgs_server.xmpp.stanza import StanzaError, element

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server
    from armgs_server.xmpp.session import Session

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
    if await query.server.presences(query.to.bare):
        return element("query", {"xmlns": NAMESPACE, "seconds": "0"})
    last = query.server.departures.get(person.id)
    if last is None:
        last = await query.server.store.read(lambda tx: last_activity.get(tx, person.id))
    if last is None:
        raise StanzaError("item-not-found", "never here")
    seconds = max(clock.now() - last.went, 0) // clock.SECOND
    return element("query", {"xmlns": NAMESPACE, "seconds": str(seconds)})


def note(server: Server, session: Session) -> None:
    """The session has become unavailable. Nobody waits until that is written down."""
    server.departures.note(session.account.owner, LastActivity(session.number >> clock.ID_BITS, clock.now()))


ROUTES = (
    Route("get", NAMESPACE, "query", SERVER, handle_server, outside=True),
    Route("get", NAMESPACE, "query", ACCOUNT | CONTACT, handle_contact, outside=True),
)
