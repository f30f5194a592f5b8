# SPDX-License-Identifier: Apache-2.0
"""A session: one bound resource (RFC 6120 §7), which may outlive its connection (XEP-0198 §5).

Whatever reaches a client after binding goes through `send`, in this order: held back while the client
is inactive (XEP-0352), counted and kept until acknowledged (XEP-0198), written to the stream. What must
always hold: `stream` is None exactly while the session waits to be resumed; `presence` is None exactly
while the resource is not available (RFC 6121 §4).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from armgs_server.storage import clock
from armgs_server.xmpp.jid import JID

if TYPE_CHECKING:
    from armgs_server.xmpp.account import Account
    from armgs_server.xmpp.transport import Transport
    from armgs_server.xmpp.xeps.xep_0198_sm import Management
    from armgs_server.xmpp.xeps.xep_0352_csi import Holding

# Unsent bytes at which a client that does not read is cut off; it resumes, or comes back, later.
MAX_BUFFERED = 8 << 20
_NOTHING: frozenset[str] = frozenset()  # one for all: an empty set takes 216 bytes


class Session:
    """One connected resource of a person."""

    __slots__ = (
        "account",
        "active_at",
        "caps",
        "caps_query",
        "device",
        "directed",
        "expiry",
        "handling",
        "has_password",
        "has_roster",
        "holding",
        "interests",
        "is_ended",
        "is_spared",
        "jid",
        "lang",
        "number",
        "presence",
        "priority",
        "sm",
        "stream",
        "wants_blocklist",
        "wants_carbons",
    )

    def __init__(self, account: Account, jid: JID, stream: Transport | None, lang: str) -> None:
        self.account = account
        self.jid = jid
        self.stream = stream
        self.lang = lang
        self.number = clock.unique_id()  # tells it from a later one of the same resource
        self.device = ""  # which of the person's programs it is, where that is known (XEP-0388)
        self.has_password = False  # it has logged in with the account's own password
        self.presence: bytes | None = None  # the tail of the last available presence
        self.priority = 0
        self.has_roster = False  # RFC 6121 §2.1.6: an interested resource
        self.wants_blocklist = False  # XEP-0191 §3.2
        self.wants_carbons = False
        self.caps = b""  # the `<c/>` of the last presence (XEP-0115)
        self.caps_query = ""  # the id of the question what it means
        self.interests = _NOTHING  # nodes whose events the client wants (XEP-0163)
        self.directed = _NOTHING  # RFC 6121 §4.6: who got directed presence, as full or bare JIDs
        self.holding: Holding | None = None  # there while the client is inactive
        self.sm: Management | None = None
        self.expiry: asyncio.TimerHandle | None = None  # there while the session waits to be resumed
        self.handling = asyncio.Lock()  # held while stanzas of the client are being handled
        self.is_ended = False
        self.is_spared = False
        self.active_at = clock.now()

    def __repr__(self) -> str:
        return f"Session({self.jid})"

    @property
    def is_available(self) -> bool:
        return self.presence is not None

    @property
    def is_outside(self) -> bool:
        """Whether it stands for somebody who has no account here; see `federation.outsider`."""
        return False

    @property
    def takes_messages(self) -> bool:
        """RFC 6121 §8.5.2.1.1: bare JID messages go to available resources of non-negative priority."""
        return self.presence is not None and self.priority >= 0

    @property
    def is_lost(self) -> bool:
        """Ended here, and not gone on in another process, to which `send` would pass things on."""
        return self.is_ended and self.sm is None

    @contextlib.contextmanager
    def spared(self) -> Iterator[None]:
        """What its client does here ends the person's sessions, but not this one: it gets the answer."""
        self.is_spared = True
        try:
            yield
        finally:
            self.is_spared = False

    def send(self, data: bytes) -> None:
        """Sends one stanza, or keeps it for when the client is there again."""
        if self.holding is not None:
            for stanza in self.holding.offer(data):
                self._write_stanza(stanza)
            return
        sm, stream = self.sm, self.stream  # as _write_stanza: the hot path of rooms
        if stream is not None:
            stream.write(data)
            if stream.is_slow and stream.buffered > MAX_BUFFERED:
                stream.abort()
        if sm is not None:
            sm.sent(data, self)

    def release(self) -> None:
        """Sends what was held back: the client is active again, or leaves."""
        if self.holding is not None:
            held, self.holding = self.holding, None
            for stanza in held.take():
                self._write_stanza(stanza)

    def write(self, data: bytes) -> None:
        """Sends what is no stanza (nonzas, stream errors) to a client that is connected."""
        if self.stream is not None:
            self.stream.write(data)

    def _write_stanza(self, data: bytes) -> None:
        sm, stream = self.sm, self.stream
        if stream is not None:
            stream.write(data)
            if stream.is_slow and stream.buffered > MAX_BUFFERED:
                stream.abort()
        if sm is not None:
            sm.sent(data, self)


def random_resource() -> str:
    """A resource for a client that leaves the choice to the server (RFC 6120 §7.6)."""
    return secrets.token_urlsafe(9)
