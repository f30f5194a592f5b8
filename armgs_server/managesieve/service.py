# SPDX-License-Identifier: Apache-2.0
"""The ManageSieve service: its listener, and the sessions that are open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from armgs_server.directory.model import TOPIC_KICK
from armgs_server.managesieve.responses import TRY_LATER, bye
from armgs_server.managesieve.session import Session
from armgs_server.net.http import Handler
from armgs_server.net.stream import Listener, Security, Stream
from armgs_server.service import Core

SIEVE_PORT = 4190  # RFC 5804 §1.8
_REFUSAL = bye("too many connections", TRY_LATER)


class ManageSieveService:
    """See service.Service."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.routes: Sequence[tuple[str, Handler]] = ()
        security: Security = "none" if core.tls is None else "starttls"
        self.listeners = [Listener("sieve", SIEVE_PORT, security, self.connect, _REFUSAL)]
        self._sessions: set[Session] = set()
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        self._unsubscribe = self.core.store.bus.subscribe(TOPIC_KICK, self._on_kick)

    async def stop(self) -> None:
        """RFC 5804 §1.2: BYE to everyone."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        for session in tuple(self._sessions):
            session.bye("the server is shutting down", TRY_LATER)

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
                session.bye("the account was disabled, or its password changed")
