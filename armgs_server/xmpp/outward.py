# SPDX-License-Identifier: Apache-2.0
"""What people of ours send to other servers and to components: kept on our side, then handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.xmpp import archiving
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import CLIENT, StanzaError
from armgs_server.xmpp.xeps import xep_0280_carbons, xep_0359_stanza_ids
from armgs_server.xmpp.xeps.xep_0313_rules import is_archived

if TYPE_CHECKING:
    from armgs_server.xmpp.delivery import Delivery
    from armgs_server.xmpp.server import Server


def check(server: Server, origin: JID, to: JID) -> None:
    """RFC 6120 §10.4: whether a stanza may go there at all; StanzaError."""
    if server.abroad is None:
        raise StanzaError("remote-server-not-found")
    server.abroad.check(origin.domain, to.domain)


async def deliver(delivery: Delivery) -> None:
    """A message: archived for the sender, copied to the sender's other devices, sent."""
    server, stanza, sender = delivery.server, delivery.stanza, delivery.sender
    check(server, delivery.origin, delivery.to)
    delivery.data = stanza.forward(
        delivery.origin.full, delivery.to.full, without=xep_0359_stanza_ids.forged(stanza), xmlns=CLIENT
    )
    if sender is not None and is_archived(stanza):
        await archiving.choose_archives(delivery)
        delivery.archived = delivery.sender_archives
    if delivery.archived:
        await server.store.write(lambda tx: archiving.keep(tx, [delivery]))
    delivery.note_kept()
    server.publish(delivery.to, delivery.data)
    if sender is not None and xep_0280_carbons.is_eligible(stanza):
        others = [other for other in sender.account.sessions.values() if other is not sender]
        xep_0280_carbons.send("sent", others, delivery.data, delivery.sender_id)
        delivery.announce_carbon(sender.account.bare, f"sent {delivery.sender_id}")
