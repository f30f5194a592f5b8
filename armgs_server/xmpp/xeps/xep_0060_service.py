# SPDX-License-Identifier: Apache-2.0
"""XEP-0060: the service at pubsub.DOMAIN. Its nodes are those of the department that the domain is of.

What must always hold: nothing of a node is in memory; whichever process gets a request answers it from the
store, and its events reach people wherever they have sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.xmpp import jid as jids
from armgs_server.xmpp import router
from armgs_server.xmpp.federation.outsider import Outsider
from armgs_server.xmpp.iq import Query
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza, StanzaError, element, result
from armgs_server.xmpp.xeps import (
    xep_0030_disco,
    xep_0050_table,
    xep_0060_approval,
    xep_0060_disco,
    xep_0060_requests,
)
from armgs_server.xmpp.xeps.xep_0050_commands import NAMESPACE as COMMANDS
from armgs_server.xmpp.xeps.xep_0060_nodes import NAMESPACE, OWNER, Nodes, Request

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

LABEL = "pubsub"


class PubsubHost:
    """See the head of this file."""

    name = "Publish-subscribe"

    def __init__(self, server: Server) -> None:
        self._server = server
        server.route = self._route

    async def handle(self, stanza: Stanza, origin: JID) -> None:
        """Requests are IQs to the host itself; an owner's answer to a form is a message."""
        to = jids.parse(stanza.to)
        if to.local or stanza.name == "presence":
            raise StanzaError("service-unavailable")
        nodes = Nodes(self._server, self._server.directory.domains[to.domain.partition(".")[2]], to.domain)
        if stanza.name == "message":
            await self._handle_message(nodes, stanza, origin)
        elif stanza.type in ("get", "set"):
            await self._answer(nodes, stanza, origin)

    async def gone(self, origin: JID) -> None:
        """Nothing here depends on sessions."""

    async def _handle_message(self, nodes: Nodes, stanza: Stanza, origin: JID) -> None:
        if stanza.type == "error":
            return  # an event that could not be delivered
        form = xep_0060_approval.is_answer(stanza)
        if form is None:
            raise StanzaError("service-unavailable")
        await xep_0060_approval.handle_answer(nodes, origin, form)

    async def _answer(self, nodes: Nodes, stanza: Stanza, origin: JID) -> None:
        if len(stanza.marks) != 1:
            raise StanzaError("bad-request", "an IQ has one child element")
        name = stanza.marks[0][0]
        session = self._server.session(origin) or Outsider(self._server, origin)
        query = Query(self._server, session, stanza, jids.parse(stanza.to))
        request = Request(nodes, origin, query.payload)
        if name in (f"{NAMESPACE} pubsub", f"{OWNER} pubsub"):
            inner = await xep_0060_requests.answer(request, stanza.type)
        elif name == f"{xep_0030_disco.INFO} query" and stanza.type == "get":
            inner = await self._info(request, query)
        elif name == f"{xep_0030_disco.ITEMS} query" and stanza.type == "get":
            inner = await self._items(request, query)
        elif name == f"{COMMANDS} command" and stanza.type == "set":
            inner = await xep_0050_table.answer(query, "pubsub")
        else:
            raise StanzaError("service-unavailable")
        self._server.send(origin, result(stanza, inner))
        for action in request.after:
            await action()
        for followup in query.followups:
            followup()

    async def _info(self, request: Request, query: Query) -> bytes:
        """§5.1, §5.3"""
        node = request.payload.get("node") or ""
        command = xep_0050_table.find("pubsub", node)
        if command is not None:
            identities, features = await xep_0050_table.info(query, command)
            return xep_0030_disco.info(identities, features, node)
        if node:
            return await xep_0060_disco.node_info(request.nodes, node, request.origin)
        return xep_0030_disco.info([("pubsub", "service", self.name)], xep_0060_disco.SERVICE_FEATURES)

    async def _items(self, request: Request, query: Query) -> bytes:
        """§5.2, §5.5; XEP-0050 §2.2: the list of commands."""
        if request.payload.get("node") != COMMANDS:
            return await xep_0060_disco.items(request.nodes, request.payload, request.origin)
        commands = await xep_0050_table.items(query, "pubsub")
        return element("query", {"xmlns": xep_0030_disco.ITEMS, "node": COMMANDS}, commands)

    async def _route(self, stanza: Stanza, origin: JID) -> None:
        await router.message_from_host(self._server, stanza, origin)
