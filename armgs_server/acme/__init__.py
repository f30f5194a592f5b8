# SPDX-License-Identifier: Apache-2.0
"""Certificates from a CA that speaks ACME: RFC 8555 with http-01, RFC 8738, RFC 9773.

Invariants: one process orders, whoever holds the lease; every process answers challenges and shows the new
certificate, since both lie in the store. The CA may be away at any time: what is there is shown until
something better is there. Nothing here ever blocks the loop.
"""

from collections.abc import Sequence

from armgs_server.acme.challenges import PREFIX, Challenges
from armgs_server.acme.installing import Installing
from armgs_server.acme.renewal import Renewal
from armgs_server.net.http import Handler
from armgs_server.net.stream import Listener
from armgs_server.service import Core

__all__ = ["PREFIX", "AcmeService", "service"]


class AcmeService:
    """Answers the CA's challenges, orders, and puts what comes in place."""

    listeners: Sequence[Listener] = ()

    def __init__(self, core: Core) -> None:
        self._challenges = Challenges(core)
        self._installing = Installing(core)
        self._renewal = Renewal(core)

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return ((PREFIX, self._challenges.answer),)

    async def start(self) -> None:
        """The certificate of the store is in place when it returns."""
        await self._installing.start()
        self._renewal.start()

    async def stop(self) -> None:
        """An order that is open is given up; the next holder of the lease makes another."""
        await self._renewal.stop()
        await self._installing.stop()


def service(core: Core) -> AcmeService:
    """One in each process."""
    return AcmeService(core)
