# SPDX-License-Identifier: Apache-2.0
"""The ManageSieve service: its listener, and the sessions that are open."""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server.managesieve.responses import TRY_LATER, bye
from armgs_server.managesieve.session import Session
from armgs_server.net.http import Handler
from armgs_server.net.stream import Listener, Security, Stream
from armgs_server.service import Core, Sessions

SIEVE_PORT = 4190  # RFC 5804 §1.8
_REFUSAL = bye("too many connections", TRY_LATER)


class ManageSieveService:
    """See service.Service."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.routes: Sequence[tuple[str, Handler]] = ()
        security: Security = "none" if core.tls is None else "starttls"
        self.listeners = [Listener("sieve", SIEVE_PORT, security, self.connect, _REFUSAL)]
        self._sessions = Sessions[Session](core.store.bus)

    async def start(self) -> None:
        self._sessions.start()

    async def stop(self) -> None:
        self._sessions.stop()

    async def connect(self, stream: Stream) -> None:
        await self._sessions.run(Session(self, stream))
