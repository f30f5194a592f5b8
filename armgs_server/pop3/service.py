# SPDX-License-Identifier: Apache-2.0
"""The POP3 service: its two listeners, and the sessions that are open."""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server.net.http import Handler
from armgs_server.net.stream import Listener, Stream
from armgs_server.pop3.responses import SYS_TEMP, err
from armgs_server.pop3.session import Session
from armgs_server.service import Core, Sessions, listeners

POP3_PORT = 110
POP3S_PORT = 995  # RFC 8314 §3.3
_REFUSAL = err("too many connections", SYS_TEMP)


class Pop3Service:
    """See service.Service."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.routes: Sequence[tuple[str, Handler]] = ()
        self._sessions = Sessions[Session](core.store.bus)

    @property
    def listeners(self) -> Sequence[Listener]:
        """Port 110, and 995 where there is a certificate; none where the service is off."""
        if not self.core.config.pop3.enabled:
            return ()
        plain, direct = ("pop3", POP3_PORT), ("pop3s", POP3S_PORT)
        return listeners(self.core.tls, plain, direct, self.connect, _REFUSAL)

    async def start(self) -> None:
        self._sessions.start()

    async def stop(self) -> None:
        self._sessions.stop()

    async def connect(self, stream: Stream) -> None:
        await self._sessions.run(Session(self, stream))
