# SPDX-License-Identifier: Apache-2.0
"""XEP-0313 §5.1: which messages are archived. XEP-0334 hints of the sender come first."""

from __future__ import annotations

from armgs_server.xmpp.stanza import CLIENT, Stanza

HINTS = "urn:xmpp:hints"
_BODY = f"{CLIENT} body"
_NO_STORE = frozenset({f"{HINTS} no-store", f"{HINTS} no-permanent-store"})
_STORE = f"{HINTS} store"
# What a device that was away must learn, though it has no body.
_KEPT = frozenset(
    {
        "urn:xmpp:receipts received",  # XEP-0184
        "urn:xmpp:chat-markers:0 displayed",  # XEP-0333
        "urn:xmpp:reactions:0 reactions",  # XEP-0444
        "urn:xmpp:message-retract:1 retract",  # XEP-0424
        "eu.siacs.conversations.axolotl encrypted",  # XEP-0384 0.3
        "urn:xmpp:omemo:2 encrypted",
        "urn:xmpp:openpgp:0 openpgp",  # XEP-0373
        "jabber:x:conference x",  # XEP-0249
        "urn:xmpp:jingle-message:0 propose",  # XEP-0353: a missed call
        "urn:xmpp:jingle-message:0 finish",
    }
)
_TYPES = frozenset({"chat", "normal"})


def is_archived(stanza: Stanza) -> bool:
    """Whether a message between people is kept in their archives, and for who is away."""
    return stanza.type in _TYPES and is_kept(stanza)


def is_kept(stanza: Stanza) -> bool:
    """Whether a message says something that lasts, whatever its type."""
    names = [mark[0] for mark in stanza.marks]
    if not _NO_STORE.isdisjoint(names):
        return False
    return _BODY in names or _STORE in names or not _KEPT.isdisjoint(names)
