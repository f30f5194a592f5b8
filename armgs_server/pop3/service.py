# SPDX-License-Identifier: Apache-2.0
"""The POP3 service: its two listeners, and the sessions that are open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from armgs_server.directory.model import TOPIC_KICK
from armgs_server.net.http import Handler
from armgs_server.net.stream import Listener, Security, Stream
from armgs_server.pop3.responses import SYS_PERM, SYS_TEMP, Pop3Error, err
from armgs_server.pop3.session import Session
from armgs_server.service import Core

POP3_PORT = 110
POP3S_PORT = 995  # RFC 8314 §3.3
_REFUSAL = err("too many connections", SYS_TEMP)


class Pop3Service:
    """See service.Service."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.routes: Sequence[tuple[str, Handler]] = ()
        self._sessions: set[Session] = set()
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def listeners(self) -> Sequence[Listener]:
        """Port 110, and 995 where there is a certificate; none where the service is off."""
        if not self.core.config.pop3.enabled:
            return ()
        security: Security = "none" if self.core.tls is None else "starttls"
        found = [Listener("pop3", POP3_PORT, security, self.connect, _REFUSAL)]
        if self.core.tls is not None:
            found.append(Listener("pop3s", POP3S_PORT, "direct", self.connect))
        return found

    async def start(self) -> None:
        self._unsubscribe = self.core.store.bus.subscribe(TOPIC_KICK, self._on_kick)

    async def stop(self) -> None:
        """Ends the sessions; what they have marked stays."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        for session in tuple(self._sessions):
            session.end(Pop3Error("the server is shutting down", SYS_TEMP))

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
                session.end(Pop3Error("the account was disabled, or its password changed", SYS_PERM))
