# SPDX-License-Identifier: Apache-2.0
"""The LDAP service: its two listeners, and the sessions that are open."""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server.ldap.results import UNAVAILABLE, notice
from armgs_server.ldap.session import Session
from armgs_server.net.http import Handler
from armgs_server.net.stream import Listener, Stream
from armgs_server.service import Core, Sessions, listeners

LDAP_PORT = 389
LDAPS_PORT = 636
_REFUSAL = notice(UNAVAILABLE, "too many connections")


class LdapService:
    """See service.Service."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.routes: Sequence[tuple[str, Handler]] = ()
        self._sessions = Sessions[Session](core.store.bus)

    @property
    def listeners(self) -> Sequence[Listener]:
        """Port 389, and 636 where there is a certificate; none where the service is off."""
        if not self.core.config.ldap.enabled:
            return ()
        plain, direct = ("ldap", LDAP_PORT), ("ldaps", LDAPS_PORT)
        return listeners(self.core.tls, plain, direct, self.connect, _REFUSAL)

    async def start(self) -> None:
        self._sessions.start()

    async def stop(self) -> None:
        self._sessions.stop()

    async def connect(self, stream: Stream) -> None:
        await self._sessions.run(Session(self, stream))
