# SPDX-License-Identifier: Apache-2.0
"""XEP-0163 §4.3 for contacts elsewhere: which events their clients want, and telling them.

A contact's presence comes to one process, which asks the client once for what its capabilities mean
(XEP-0115) and remembers that as long as the client is there; what is published in another process is heard
on the contact's topic. What is forgotten (too many contacts, a restart) is learnt again with the next
presence: events are a service, the items themselves stay in the store.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from armgs_server.directory import Principal
from armgs_server.xmpp import frame, roster
from armgs_server.xmpp.federation.outsider import Outsider
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza
from armgs_server.xmpp.xeps import xep_0115_clients, xep_0163_events

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server


class _Contact:
    """Somebody elsewhere: the clients that are there, by resource."""

    __slots__ = ("clients", "unsubscribe")

    def __init__(self, unsubscribe: Callable[[], None]) -> None:
        self.clients: dict[str, Outsider] = {}
        self.unsubscribe = unsubscribe


class Events:
    """The contacts of this process, the one heard of last at the end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._contacts: OrderedDict[str, _Contact] = OrderedDict()

    async def notice(self, person: Principal, stanza: Stanza, origin: JID) -> None:
        """A contact's client has sent presence to a person of ours."""
        if not origin.resource:
            return
        if stanza.type == "unavailable":
            self._forget(origin)
        elif await roster.sees(self._server, person, origin.bare):
            client = self._client(origin)
            new = await xep_0115_clients.look_at(self._server, client, stanza, asker=person.address)
            await self._send_last(client, person, new)

    async def receive(self, person: Principal, origin: JID, answer: Stanza) -> None:
        """A client elsewhere has said what its capabilities mean."""
        contact = self._contacts.get(origin.bare)
        client = contact.clients.get(origin.resource) if contact is not None else None
        if client is not None:
            new = xep_0115_clients.receive(self._server, client, answer)
            await self._send_last(client, person, new)

    def tell(self, publisher: str, bare: str, node: str, inner: bytes) -> None:
        """Something was published that this contact may see."""
        contact = self._contacts.get(bare)
        if contact is not None:
            xep_0163_events.tell(publisher, tuple(contact.clients.values()), node, inner)

    def close(self) -> None:
        while self._contacts:
            self._contacts.popitem()[1].unsubscribe()

    async def _send_last(self, client: Outsider, person: Principal, new: frozenset[str]) -> None:
        if new:
            await xep_0163_events.send_last_of(self._server, client, new, {person.id: person})

    def _client(self, origin: JID) -> Outsider:
        contact = self._contacts.get(origin.bare)
        if contact is None:
            bus = self._server.store.bus
            contact = _Contact(bus.subscribe(f"xmpp:{origin.bare}", self._on_frame))
            self._contacts[origin.bare] = contact
            if len(self._contacts) > max(1, self._server.config.federation.contacts):
                self._contacts.popitem(last=False)[1].unsubscribe()
        self._contacts.move_to_end(origin.bare)
        client = contact.clients.get(origin.resource)
        if client is None:
            client = contact.clients[origin.resource] = Outsider(self._server, origin)
            if len(contact.clients) > self._server.config.xmpp.sessions:
                del contact.clients[next(iter(contact.clients))]
        return client

    def _forget(self, origin: JID) -> None:
        contact = self._contacts.get(origin.bare)
        if contact is None:
            return
        contact.clients.pop(origin.resource, None)
        if not contact.clients:
            del self._contacts[origin.bare]
            contact.unsubscribe()

    def _on_frame(self, message: bytes) -> None:
        """What another process says to all that know the contact."""
        heard = frame.decode(message)
        if heard.process != self._server.process and heard.kind == frame.EVENT:
            self.tell(heard.origin, heard.to, heard.argument, heard.data)
