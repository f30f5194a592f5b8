# SPDX-License-Identifier: Apache-2.0
"""XEP-0424: Message Retraction. The retraction is archived like any message; what it takes back becomes a
tombstone in each archive that has it (§5), so that whoever catches up never sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lxml import etree

from armgs_server.storage import archive, clock
from armgs_server.storage.archive import ArchiveQuery
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import CLIENT, Stanza, element
from armgs_server.xmpp.xeps.xep_0160_offline import timestamp

NAMESPACE: Final = "urn:xmpp:message-retract:1"
TOMBSTONE: Final = f"{NAMESPACE}#tombstone"
FEATURES: Final = (NAMESPACE, TOMBSTONE)
OCCUPANT_ID: Final = "urn:xmpp:occupant-id:0"  # XEP-0421

_RETRACT: Final = f"{NAMESPACE} retract"
_ID_LIMIT: Final = 1000  # characters
# A conversation is searched for what is retracted as far back as this.
_REACH: Final = 31 * 24 * 3600 * clock.SECOND


@dataclass(frozen=True, slots=True)
class Retraction:
    """What a room's message takes back: an archive id, of whom (an occupant id; empty: of anybody)."""

    target: int
    author: str
    retracted: bytes  # what stands in the tombstone


def target_of(stanza: Stanza) -> str:
    """The id that a message retracts; empty where it retracts nothing."""
    if not any(mark[0] == _RETRACT for mark in stanza.marks):
        return ""
    found = stanza.tree().find(f"{{{NAMESPACE}}}retract")
    return (found.get("id") or "")[:_ID_LIMIT] if found is not None else ""


def retracted(id_: str, inner: bytes = b"") -> bytes:
    """§5: what says that something was here, and which message took it back."""
    return element("retracted", {"xmlns": NAMESPACE, "id": id_, "stamp": timestamp(clock.now())}, inner)


def tombstone(message: Stanza, inner: bytes) -> bytes:
    """§5: the message without anything that it said; its author in a room stays known (XEP-0425 §5)."""
    kept = b"".join(
        message.raw[child.start : child.end]
        for child in message.children
        if (child.xmlns, child.name) == (OCCUPANT_ID, "occupant-id")
    )
    attributes = {"xmlns": CLIENT} | {
        name: message.attributes.get(name, "") for name in ("from", "to", "type", "id")
    }
    return element("message", attributes, kept + inner)


def occupant_id(message: etree._Element) -> str:
    found = message.find(f"{{{OCCUPANT_ID}}}occupant-id")
    return (found.get("id") or "") if found is not None else ""


async def bury(tx: Tx, room: int, retraction: Retraction) -> bool:
    """In the archive of a room; whether there was something of that author to bury."""
    page = await archive.page(tx, room, ArchiveQuery(ids=(retraction.target,), limit=1))
    if not page.messages:
        return False
    message = parse_stanza(page.messages[0].stanza)
    if retraction.author and occupant_id(message.tree()) != retraction.author:  # §6
        return False
    data = tombstone(message, retraction.retracted)
    return await archive.replace(tx, room, retraction.target, data)


async def bury_between(tx: Tx, owners: dict[int, str], sender: str, target: str, id_: str) -> None:
    """In the archives of both sides of a conversation (owner → bare JID of the other side)."""
    since = clock.now() - _REACH
    for owner, peer in owners.items():
        found = await archive.find(tx, owner, peer, target, since)
        if found is None:
            continue
        message = parse_stanza(found.stanza)
        if parse(message.from_).bare == sender:  # §6: "received from the same bare-JID"
            await archive.replace(tx, owner, found.id, tombstone(message, retracted(id_)))
