# SPDX-License-Identifier: Apache-2.0
"""XEP-0280: Message Carbons, version 1.0: copies of a conversation on all of a person's devices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from armgs_server.formats.xmltree import quote
from armgs_server.xmpp.iq import ACCOUNT, Query, Route
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import CLIENT, Stanza
from armgs_server.xmpp.xeps import xep_0359_stanza_ids
from armgs_server.xmpp.xeps.xep_0313_rules import is_archived

NAMESPACE = "urn:xmpp:carbons:2"
FEATURES = (NAMESPACE, "urn:xmpp:carbons:rules:0")
FORWARD = "urn:xmpp:forward:0"
# §6.1: these keep a message from being copied …
_EXCLUDED = frozenset(
    {
        f"{NAMESPACE} private",
        "urn:xmpp:hints no-copy",
        "http://jabber.org/protocol/muc#user x",  # private messages in rooms, mediated invitations
    }
)
# … and these let it be copied without a body.
_ELIGIBLE_NAMESPACES = frozenset(
    {
        "http://jabber.org/protocol/chatstates",
        "urn:xmpp:receipts",
        "urn:xmpp:chat-markers:0",
        "urn:xmpp:jingle-message:0",
    }
)


async def handle_enable(query: Query) -> bytes:
    query.session.wants_carbons = True
    return b""


async def handle_disable(query: Query) -> bytes:
    query.session.wants_carbons = False
    return b""


def is_eligible(stanza: Stanza) -> bool:
    """§6.1: chat messages, and normal ones that carry a conversation."""
    type_ = stanza.type
    names = [mark[0] for mark in stanza.marks]
    if not _EXCLUDED.isdisjoint(names):
        return False
    if type_ == "chat":
        return True
    if type_ != "normal":
        return False
    return is_archived(stanza) or any(name.rpartition(" ")[0] in _ELIGIBLE_NAMESPACES for name in names)


def send(
    direction: Literal["sent", "received"], sessions: Iterable[Session], message: bytes, archive_id: int
) -> None:
    """Copies a message, which has its own xmlns, to those sessions that asked for copies."""
    inner = b""
    for session in sessions:
        if not session.wants_carbons:
            continue
        bare = session.account.bare
        if not inner:
            copy = (
                xep_0359_stanza_ids.stamp(message, by=bare, stanza_id=archive_id) if archive_id else message
            )
            inner = b"".join(
                (
                    f"<{direction} xmlns='{NAMESPACE}'><forwarded xmlns='{FORWARD}'>".encode(),
                    copy,
                    f"</forwarded></{direction}></message>".encode(),
                )
            )
        # §7: from the account itself, so that nobody can forge a copy.
        start = f"<message xmlns='{CLIENT}' type='chat' from='{quote(bare)}' to='{quote(session.jid.full)}'>"
        session.send(start.encode() + inner)


ROUTES = (
    Route("set", NAMESPACE, "enable", ACCOUNT, handle_enable),
    Route("set", NAMESPACE, "disable", ACCOUNT, handle_disable),
)
