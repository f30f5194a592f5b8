# SPDX-License-Identifier: Apache-2.0
"""A person who has sessions on this server process: the sessions, and what routing asks of the person.

Contacts and the block list are read from the store when first needed and kept while anybody is there;
a hint on the bus that the roster changed (in this process or another) makes them stale. The account
exists exactly as long as it has sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from armgs_server.directory import Principal
from armgs_server.xmpp.jid import JID, is_among
from armgs_server.xmpp.session import Session


@dataclass(frozen=True, slots=True)
class Contacts:
    """Bare JIDs from the stored roster and the directory together."""

    subscribers: frozenset[str]  # who sees the person's presence: subscription from or both
    watched: frozenset[str]  # whose presence the person sees: subscription to or both
    pending: tuple[bytes, ...]  # subscription requests that the person has not answered
    source: object  # the directory's part they were made of


class Account:
    """See the head of this file. `bare` is the person's address."""

    __slots__ = (
        "bare",
        "blocked",
        "contacts",
        "generation",
        "heard",
        "photo",
        "principal",
        "sessions",
        "unsubscribe",
    )

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.bare = principal.address
        self.sessions: dict[str, Session] = {}
        self.contacts: Contacts | None = None
        self.generation = 0  # moves whenever what is known of the contacts may be stale
        self.blocked: frozenset[str] | None = None
        self.photo: str | None = None  # hash of the avatar (XEP-0153), "" for none, None while it is unknown
        self.heard: dict[str, int] = {}  # number of the last frame for the person, by process
        self.unsubscribe: list[Callable[[], None]] = []

    @property
    def owner(self) -> int:
        return self.principal.id

    def forget_contacts(self) -> None:
        """The roster has changed: what is being read just now is stale too."""
        self.contacts = None
        self.generation += 1

    def on_change(self, _: bytes) -> None:
        """A hint that a collection changed: the roster is small, so whichever it was, it is read anew."""
        self.forget_contacts()

    def blocks(self, jid: JID) -> bool:
        """XEP-0191 §5: a JID is matched as full JID, bare JID, domain with resource, domain."""
        return bool(self.blocked) and is_among(self.blocked or frozenset(), jid)

    def available(self) -> Iterator[Session]:
        """Sessions that sent initial presence (RFC 6121 §4.2)."""
        return (session for session in tuple(self.sessions.values()) if session.presence is not None)

    def receivers(self) -> list[Session]:
        """Who gets a message to the bare JID: all available sessions of non-negative priority."""
        return [session for session in self.sessions.values() if session.takes_messages]

    def interested(self) -> Iterator[Session]:
        """Sessions that asked for the roster, and so get roster pushes (RFC 6121 §2.1.6)."""
        return (session for session in tuple(self.sessions.values()) if session.has_roster)
