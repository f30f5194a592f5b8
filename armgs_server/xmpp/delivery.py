# SPDX-License-Identifier: Apache-2.0
"""One message on its way: what the router's stages have found out about it so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.directory import Principal
from armgs_server.xmpp import frame
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import Stanza

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server


class Delivery:
    """Filled stage by stage; see `router`."""

    __slots__ = (
        "archived",
        "data",
        "is_exact",
        "is_offline",
        "origin",
        "places",
        "recipient",
        "recipient_id",
        "sender",
        "sender_id",
        "server",
        "stanza",
        "targets",
        "to",
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
        self.is_exact = False  # whether the session that `to` names is there
        self.archived = False
        self.is_offline = False
        self.data = b""  # the message as delivered and archived
        self.sender_id = 0  # ids in the two archives
        self.recipient_id = 0

    @property
    def address(self) -> str:
        """Full JID where that session is there, else the bare one: then all that take messages get it."""
        return self.to.full if self.is_exact else self.to.bare

    def announce_carbon(self, to: str, argument: str) -> None:
        """Has the other processes copy the message to the devices they have; see `frame.CARBON`."""
        self.server.announce(to, frame.CARBON, self.data, argument=argument)
