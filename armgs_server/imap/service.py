# SPDX-License-Identifier: Apache-2.0
"""The IMAP service: its two listeners, and the sessions that are open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from armgs_server.imap.chats import ChatWatch
from armgs_server.imap.search_upkeep import SearchUpkeep
from armgs_server.imap.session import Session
from armgs_server.net.http import Handler
from armgs_server.net.stream import Stream
from armgs_server.service import Core, listeners
from armgs_server.storage import chat_folders
from armgs_server.storage.collections import Collection

IMAP_PORT = 143
IMAPS_PORT = 993  # RFC 8314 §3.2
_REFUSAL = b"* BYE [UNAVAILABLE] too many connections\r\n"


class ImapService:
    """See service.Service."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.routes: Sequence[tuple[str, Handler]] = ()
        plain, direct = ("imap", IMAP_PORT), ("imaps", IMAPS_PORT)
        self.listeners = listeners(core.tls, plain, direct, self.connect, _REFUSAL)
        self._sessions: set[Session] = set()
        self._people: dict[int, set[Session]] = {}
        self._unsubscribe: Callable[[], None] | None = None
        self._search_upkeep = SearchUpkeep(core)
        self._chats = ChatWatch(core, self._open_chats)

    async def start(self) -> None:
        self._search_upkeep.start()
        self._chats.start()
        self._unsubscribe = self.core.store.bus.subscribe("kick", self._on_kick)

    async def stop(self) -> None:
        """RFC 3501 §7.1.5: BYE to everyone."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        for session in tuple(self._sessions):
            session.bye("the server is shutting down")
        await self._search_upkeep.stop()
        await self._chats.stop()

    async def connect(self, stream: Stream) -> None:
        session = Session(self, stream)
        self._sessions.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)
            self.logged_out(session)

    @property
    def session_count(self) -> int:
        """Connections that are open."""
        return len(self._sessions)

    def logged_in(self, session: Session) -> None:
        """The session now belongs to a person."""
        assert session.principal is not None
        self._people.setdefault(session.principal.id, set()).add(session)

    def logged_out(self, session: Session) -> None:
        """The session belongs to nobody any more."""
        if session.principal is None:
            return
        sessions = self._people[session.principal.id]
        sessions.discard(session)
        if not sessions:
            del self._people[session.principal.id]

    def _open_chats(self) -> Iterator[Collection]:
        """The folders of chats that somebody has open."""
        for session in self._sessions:
            if session.collection is not None and chat_folders.is_inside(session.collection):
                yield session.collection

    def _on_kick(self, principal: bytes) -> None:
        for session in tuple(self._people.get(int(principal), ())):
            session.bye("the account was disabled, or its password changed")
