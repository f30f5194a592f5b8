# SPDX-License-Identifier: Apache-2.0
"""What of a message is kept: in the archives of both sides (XEP-0313), and for who is away (XEP-0160)."""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server.storage import archive, offline
from armgs_server.storage.archive import Entry
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.delivery import Delivery
from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps import xep_0424_retraction
from armgs_server.xmpp.xeps.xep_0313_rules import is_archived, is_stored
from armgs_server.xmpp.xeps.xep_0441_preferences import is_wanted


async def decide(delivery: Delivery) -> bool:
    """Whether the message is archived, and for whom; whether it waits for who is away."""
    stanza, recipient = delivery.stanza, delivery.recipient
    assert recipient is not None
    delivery.archived = is_archived(stanza)
    if delivery.archived:
        await choose_archives(delivery)
        delivery.archived = delivery.sender_archives or delivery.recipient_archives
    if not delivery.targets and not delivery.places:
        if is_stored(stanza):
            delivery.is_offline = True
        elif stanza.type == "headline":
            return True  # RFC 6121 §8.5.2.2.1: silently ignored
        elif stanza.has("body"):  # XEP-0334 no-store: it can neither be delivered nor kept
            raise StanzaError("service-unavailable")
    return False


async def choose_archives(delivery: Delivery) -> None:
    """XEP-0441: each side keeps what it wants."""
    server, recipient, sender = delivery.server, delivery.recipient, delivery.sender
    if recipient is not None:
        delivery.recipient_archives = await is_wanted(server, recipient, delivery.origin)
    if sender is not None and (recipient is None or sender.account.owner != recipient.id):
        delivery.sender_archives = await is_wanted(server, sender.account.principal, delivery.to)


async def keep(tx: Tx, deliveries: Sequence[Delivery]) -> None:
    """All rows of the archive in one statement, the sender's before the recipient's."""
    entries = [entry for delivery in deliveries for entry in _entries(delivery)]
    ids = iter(await archive.append_all(tx, entries))
    for delivery in deliveries:
        if delivery.sender_archives:
            delivery.sender_id = next(ids)
        if delivery.recipient_archives:
            delivery.recipient_id = next(ids)
        if delivery.archived:
            await _bury(tx, delivery)
        if delivery.is_offline:
            await _append_offline(tx, delivery, delivery.as_received())


async def keep_late(delivery: Delivery, data: bytes) -> None:
    """All targets left between the choice and the commit."""
    if is_stored(delivery.stanza):
        await delivery.server.store.write(lambda tx: _append_offline(tx, delivery, data))


async def _append_offline(tx: Tx, delivery: Delivery, data: bytes) -> None:
    assert delivery.recipient is not None
    limit = delivery.server.config.xmpp.offline_messages
    await offline.append(tx, delivery.recipient.id, data, limit=limit)


def _entries(delivery: Delivery) -> list[Entry]:
    entries = []
    stanza_id, data, origin, to = delivery.stanza.id, delivery.data, delivery.origin, delivery.to
    if delivery.sender_archives:
        assert delivery.sender is not None
        entries.append(Entry(delivery.sender.account.owner, to.bare, stanza_id, data, to.resource))
    if delivery.recipient_archives:
        assert delivery.recipient is not None
        entries.append(Entry(delivery.recipient.id, origin.bare, stanza_id, data, origin.resource))
    return entries


async def _bury(tx: Tx, delivery: Delivery) -> None:
    """XEP-0424 §5: in all archives that have it."""
    target = xep_0424_retraction.target_of(delivery.stanza)
    if not target:
        return
    owners = {}
    if delivery.recipient is not None:
        owners[delivery.recipient.id] = delivery.origin.bare
    if delivery.sender is not None:
        owners.setdefault(delivery.sender.account.owner, delivery.to.bare)
    await xep_0424_retraction.bury_between(tx, owners, delivery.origin.bare, target, delivery.stanza.id)
