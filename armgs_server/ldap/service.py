# SPDX-License-Identifier: Apache-2.0
"""The LDAP service: its two listeners, and the sessions that are open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from armgs_server.directory.model import TOPIC_KICK
from armgs_server.ldap.results import UNAVAILABLE, UNWILLING_TO_PERFORM, notice
from armgs_server.ldap.session import Session
from armgs_server.net.http import Handler
from armgs_server.net.stream import Listener, Security, Stream
from armgs_server.service import Core

LDAP_PORT = 389
LDAPS_PORT = 636
_REFUSAL = notice(UNAVAILABLE, "too many connections")


class LdapService:
    """See service.Service."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.routes: Sequence[tuple[str, Handler]] = ()
        self._sessions: set[Session] = set()
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def listeners(self) -> Sequence[Listener]:
        """Port 389, and 636 where there is a certificate; none where the service is off."""
        if not self.core.config.ldap.enabled:
            return ()
        security: Security = "none" if self.core.tls is None else "starttls"
        found = [Listener("ldap", LDAP_PORT, security, self.connect, _REFUSAL)]
        if self.core.tls is not None:
            found.append(Listener("ldaps", LDAPS_PORT, "direct", self.connect))
        return found

    async def start(self) -> None:
        self._unsubscribe = self.core.store.bus.subscribe(TOPIC_KICK, self._on_kick)

    async def stop(self) -> None:
        """RFC 4511 §4.4.1: a notice of disconnection to everyone."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        for session in tuple(self._sessions):
            session.end(UNAVAILABLE, "the server is shutting down")

    async def connect(self, stream: Stream) -> None:
        session = Session(self, stream)
        self._sessions.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)

    def _on_kick(self, data: bytes) -> None:
        """Somebody was disabled or changed the password: their sessions end."""
        person = int(data)
        for session in tuple(self._sessions):
            if session.principal is not None and session.principal.id == person:
                session.end(UNWILLING_TO_PERFORM, "the account was disabled, or its password changed")
