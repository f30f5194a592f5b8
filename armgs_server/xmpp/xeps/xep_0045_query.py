# SPDX-License-Identifier: Apache-2.0
"""XEP-0045: an IQ to a room, as its handlers get it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lxml import etree

from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza, StanzaError
from armgs_server.xmpp.xeps.xep_0045_owner import Registry as Keeping
from armgs_server.xmpp.xeps.xep_0045_room import Room

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server


class Registry(Keeping, Protocol):
    """What of the rooms' host is needed here."""

    name: str


@dataclass(frozen=True, slots=True)
class RoomQuery:
    """One IQ of type get or set to a room."""

    registry: Registry
    room: Room
    origin: JID
    stanza: Stanza
    payload: etree._Element

    @property
    def server(self) -> Server:
        return self.registry.server


def qualified(stanza: Stanza) -> tuple[str, str]:
    """Namespace and name of the payload (RFC 6120 §8.2.3)."""
    if len(stanza.marks) != 1:
        raise StanzaError("bad-request", "an IQ has one child element")
    xmlns, _, name = stanza.marks[0][0].rpartition(" ")
    return xmlns, name
