# SPDX-License-Identifier: Apache-2.0
"""Who is away (`storage.absences`) is shown so to those who may see it and log in, or ask: an unavailable
presence with a status (RFC 6121 §4.3.2, §4.5.2). Whoever is there in spite of it speaks for themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from armgs_server.storage import absences, clock, sieve
from armgs_server.storage.absences import Absence
from armgs_server.xmpp.stanza import element, text_element

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server
    from armgs_server.xmpp.session import Session

LIFETIME: Final = 300.0  # seconds; a hint that was lost costs so much
STATUS_LENGTH: Final = 200


class Absent:
    """All that are away, read when something has changed and somebody asks."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._known: Mapping[int, Absence] | None = None
        self._expires = 0.0
        self.close = server.store.bus.subscribe(sieve.TOPIC, self._forget)

    async def show(self, session: Session, watched: Iterable[str]) -> None:
        """Tells a session of those it watches who are away and have no session themselves."""
        known = await self._all()
        if not known:
            return
        now = clock.now()
        for jid in watched:
            if not self._server.is_local(jid.rpartition("@")[2]):
                continue
            person = await self._server.directory.by_address(jid)
            absence = known.get(person.id) if person is not None else None
            if absence is not None and absence.is_now(now) and not await self._server.presences(jid):
                session.send(presence(absence, jid, session.jid.full))

    async def _all(self) -> Mapping[int, Absence]:
        now = asyncio.get_running_loop().time()
        if self._known is None or self._expires <= now:
            self._known = await self._server.store.read(lambda tx: absences.not_over(tx, clock.now()))
            self._expires = now + LIFETIME
        return self._known

    def _forget(self, data: bytes) -> None:
        self._known = None


def presence(absence: Absence, bare: str, to: str) -> bytes:
    """The first line of what colleagues are told, and until when."""
    lines = absence.inside.strip().splitlines() or [""]
    ends = datetime.fromtimestamp(absence.ends // clock.SECOND, UTC).astimezone()
    status = f"{lines[0][:STATUS_LENGTH]} ({ends:%d.%m.%Y %H:%M})"
    attributes = {"from": bare, "to": to, "type": "unavailable"}
    return element("presence", attributes, text_element("status", status))
