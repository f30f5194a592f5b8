# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §8.6 on accounts: a person's answer to a subscription request is a message to the own account."""

from __future__ import annotations

from armgs_server.xmpp.delivery import Delivery
from armgs_server.xmpp.xeps import xep_0060_approval
from armgs_server.xmpp.xeps.xep_0163_pep import nodes_of


async def to_own_nodes(delivery: Delivery) -> bool:
    """A stage of the router; True where the message was such an answer."""
    sender = delivery.sender
    if sender is None or delivery.to.full != sender.account.bare:
        return False
    form = xep_0060_approval.is_answer(delivery.stanza)
    if form is None:
        return False
    await xep_0060_approval.handle_answer(
        nodes_of(delivery.server, sender.account.principal), delivery.origin, form
    )
    return True
