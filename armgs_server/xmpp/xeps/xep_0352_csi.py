# SPDX-License-Identifier: Apache-2.0
"""XEP-0352: Client State Indication: what an inactive client, a phone in a pocket, need not get at once.

While inactive: of each contact's presence only the last is kept; a message without content (a chat state)
is dropped; anything else goes out at once, with what was held before it, so order is kept.
"""

from __future__ import annotations

import re

NAMESPACE = "urn:xmpp:csi:0"
STREAM_FEATURES = f"<csi xmlns='{NAMESPACE}'/>".encode()
_MAX_HELD = 500  # presences; then they are sent, as if something important had come
_PRESENCE = re.compile(rb"<presence[^>]*? from='([^']*)'")
_TYPE = re.compile(rb"<presence[^>]*? type='([^']*)'")
_CHAT_STATE = b"http://jabber.org/protocol/chatstates"
_CONTENT = re.compile(
    rb"<(?:body|subject|received|displayed|reactions|retract|encrypted|x|event|result)[ />]"
)
_IMPORTANT_TYPES = frozenset({b"subscribe", b"subscribed", b"unsubscribe", b"unsubscribed", b"error"})


class Holding:
    """What is held back from one inactive client."""

    __slots__ = ("_presences",)

    def __init__(self) -> None:
        self._presences: dict[bytes, bytes] = {}

    def offer(self, data: bytes) -> list[bytes]:
        """What is to be sent now, if anything."""
        if data.startswith(b"<presence") and self._hold(data):
            return []
        if data.startswith(b"<message") and _CHAT_STATE in data and not _CONTENT.search(data):
            return []
        return [*self.take(), data]

    def take(self) -> list[bytes]:
        """All that is held; nothing is, then."""
        held = list(self._presences.values())
        self._presences.clear()
        return held

    def _hold(self, data: bytes) -> bool:
        sender = _PRESENCE.match(data)
        type_ = _TYPE.match(data)
        # In rooms a status says something to the client itself: that it has entered, or was removed.
        is_notice = b"protocol/muc#user" in data and b"<status" in data
        if sender is None or is_notice or (type_ and type_[1] in _IMPORTANT_TYPES):
            return False
        if len(self._presences) >= _MAX_HELD and sender[1] not in self._presences:
            return False
        self._presences.pop(sender[1], None)
        self._presences[sender[1]] = data
        return True
