# SPDX-License-Identifier: Apache-2.0
"""XEP-0313 §5.1: which messages are archived. XEP-0334 hints of the sender come first."""

from __future__ import annotations

from armgs_server.xmpp.stanza import CLIENT, Stanza

HINTS = "urn:xmpp:hints"
_BODY = f"{CLIENT} body"
_NO_STORE = f"{HINTS} no-store"
_NO_PERMANENT_STORE = f"{HINTS} no-permanent-store"
_STORE = f"{HINTS} store"
# What a device that was away must learn, though it has no body.
_KEPT = frozenset(
    {
        "urn:xmpp:receipts received",  # XEP-0184
        "urn:xmpp:chat-markers:0 displayed",  # XEP-0333
        "urn:xmpp:chat-markers:0 acknowledged",  # XEP-0333 0.3
        "urn:xmpp:reactions:0 reactions",  # XEP-0444
        "urn:xmpp:message-retract:1 retract",  # XEP-0424
        "urn:xmpp:message-moderate:1 moderated",  # XEP-0425
        "urn:xmpp:fasten:0 apply-to",  # XEP-0422
        "urn:xmpp:reference:0 reference",  # XEP-0372
        "urn:xmpp:sfs:0 file-sharing",  # XEP-0447
        "urn:xmpp:sfs:0 sources",
        "eu.siacs.conversations.axolotl encrypted",  # XEP-0384 0.3
        "urn:xmpp:omemo:2 encrypted",
        "urn:xmpp:openpgp:0 openpgp",  # XEP-0373
        "jabber:x:conference x",  # XEP-0249
        "urn:xmpp:jingle-message:0 propose",  # XEP-0353: a missed call, and what became of it
        "urn:xmpp:jingle-message:0 retract",
        "urn:xmpp:jingle-message:0 accept",
        "urn:xmpp:jingle-message:0 proceed",
        "urn:xmpp:jingle-message:0 reject",
        "urn:xmpp:jingle-message:0 finish",
        "urn:xmpp:call-invites:0 invite",  # XEP-0482
        "urn:xmpp:call-invites:0 retract",
        "urn:xmpp:call-invites:0 accept",
        "urn:xmpp:call-invites:0 reject",
        "urn:xmpp:call-invites:0 left",
    }
)
_TYPES = frozenset({"chat", "normal"})


def is_archived(stanza: Stanza) -> bool:
    """Whether a message between people is kept in their archives."""
    return stanza.type in _TYPES and is_kept(stanza)


def is_stored(stanza: Stanza) -> bool:
    """XEP-0160 §3: whether it waits for who is away; XEP-0334 §4.1: not archived is not yet forgotten."""
    names = [mark[0] for mark in stanza.marks]
    return stanza.type in _TYPES and _NO_STORE not in names and _lasts(names)


def is_kept(stanza: Stanza) -> bool:
    """Whether a message says something that lasts, whatever its type."""
    names = [mark[0] for mark in stanza.marks]
    return _NO_STORE not in names and _NO_PERMANENT_STORE not in names and _lasts(names)


def _lasts(names: list[str]) -> bool:
    return _BODY in names or _STORE in names or not _KEPT.isdisjoint(names)
