# SPDX-License-Identifier: Apache-2.0
"""One message on its way: what the router's stages have found out about it so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server import log, trace_id
from armgs_server.directory import Principal
from armgs_server.storage.sessions import SessionRow
from armgs_server.trace_id import TraceId, Under
from armgs_server.xmpp import frame
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import Stanza
from armgs_server.xmpp.xeps import xep_0359_stanza_ids

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

LOG = log.get("xmpp")


class Delivery:
    """Filled stage by stage; see `router`."""

    __slots__ = (
        "_elsewhere",
        "archived",
        "data",
        "has_more_elsewhere",
        "is_exact",
        "is_offline",
        "origin",
        "places",
        "recipient",
        "recipient_archives",
        "recipient_id",
        "sender",
        "sender_archives",
        "sender_id",
        "server",
        "stanza",
        "targets",
        "to",
        "trace",
    )

    def __init__(self, server: Server, stanza: Stanza, origin: JID, to: JID, sender: Session | None) -> None:
        self.server = server
        self.stanza = stanza
        self.origin = origin
        self.to = to
        self.sender = sender  # None where a host of ours sends
        self.recipient: Principal | None = None
        self.targets: list[Session] = []
        self.places: frozenset[str] = frozenset()  # processes that have targets, where this one has none
        self._elsewhere: list[SessionRow] | None = None  # sessions in other processes, once they were read
        self.has_more_elsewhere = False  # whether `places` leave out some of them
        self.is_exact = False  # whether the session that `to` names is there
        self.archived = False  # by either side
        self.sender_archives = False
        self.recipient_archives = False
        self.is_offline = False
        self.data = b""  # the message as delivered and archived
        self.sender_id = 0  # ids in the two archives
        self.recipient_id = 0
        self.trace = trace_id.of_context() or TraceId()  # else the recipient's archive id, once there is one

    @property
    def address(self) -> str:
        """Full JID where that session is there, else the bare one: then all that take messages get it."""
        return self.to.full if self.is_exact else self.to.bare

    async def elsewhere(self) -> list[SessionRow]:
        """What the recipient has in other processes that can be reached now, read once."""
        processes = self.server.processes
        if self._elsewhere is None:
            assert self.recipient is not None
            is_linked = processes is not None and processes.is_linked()
            rows = await processes.whereabouts(self.recipient.address) if processes and is_linked else []
            self._elsewhere = rows
        return self._elsewhere

    def as_received(self) -> bytes:
        """The message with its id in the recipient's archive (XEP-0359 §3)."""
        if not self.recipient_id or self.recipient is None:
            return self.data
        return xep_0359_stanza_ids.stamp(self.data, by=self.recipient.address, stanza_id=self.recipient_id)

    def note_kept(self) -> None:
        """The message is durable: the id it has in the recipient's archive names all that follows."""
        if self.archived:
            self.trace.settle(self.recipient_id or self.sender_id)
        if LOG.debugs:
            with Under(self.trace):
                LOG.debug(
                    "message kept",
                    origin=self.origin.bare,
                    to=self.to.bare,
                    stanza=self.stanza.id,
                    archived=int(self.archived),
                    waits=int(self.is_offline),
                    devices=len(self.targets),
                    processes=len(self.places),
                )

    def announce_carbon(self, to: str, argument: str) -> None:
        """Has the other processes copy the message to the devices they have; see `frame.CARBON`."""
        self.server.announce(to, frame.CARBON, self.data, argument=argument)
