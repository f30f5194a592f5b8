# SPDX-License-Identifier: Apache-2.0
"""XMPP as the daemon sees it: ports 5222 and 5223, the upload path over HTTP, start and stop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from armgs_server.directory.model import TOPIC_KICK, TOPIC_KICK_DEVICE
from armgs_server.net.http import Handler
from armgs_server.net.stream import Listener, Security, Stream
from armgs_server.service import Core
from armgs_server.storage import push
from armgs_server.storage.bus import RemoteBus
from armgs_server.xmpp import lifecycle, shown, websocket, xeps
from armgs_server.xmpp.absent import Absent
from armgs_server.xmpp.archive_upkeep import ArchiveUpkeep
from armgs_server.xmpp.c2s import ClientStream
from armgs_server.xmpp.federation.abroad import Abroad
from armgs_server.xmpp.federation.listeners import listeners
from armgs_server.xmpp.handover import Handover
from armgs_server.xmpp.hosts import HOSTS
from armgs_server.xmpp.keeping import Keeper
from armgs_server.xmpp.missed import Missed
from armgs_server.xmpp.movements import Movements
from armgs_server.xmpp.news import News
from armgs_server.xmpp.notices import Notices
from armgs_server.xmpp.processes import Processes
from armgs_server.xmpp.relayed import Relayed
from armgs_server.xmpp.remembered import Remembered
from armgs_server.xmpp.server import Server
from armgs_server.xmpp.stanza import stream_error, stream_header
from armgs_server.xmpp.succession import Succession
from armgs_server.xmpp.transport import TcpTransport, Transport
from armgs_server.xmpp.websocket import WebSocketRoute
from armgs_server.xmpp.xeps import (
    xep_0045_muc,
    xep_0124_bosh_route,
    xep_0357_push,
    xep_0363_upload,
    xep_0441_preferences,
    xep_0472_atom,
)
from armgs_server.xmpp.xeps.xep_0045_muc import Rooms
from armgs_server.xmpp.xeps.xep_0050_commands import Runs
from armgs_server.xmpp.xeps.xep_0114_components import Components
from armgs_server.xmpp.xeps.xep_0124_bosh_route import BoshRoute
from armgs_server.xmpp.xeps.xep_0363_upload import UploadHost
from armgs_server.xmpp.xeps.xep_0472_atom import Feeds

_REFUSAL = stream_header(from_="localhost", stream_id="0") + stream_error("resource-constraint")


class XmppService:
    """One for each server process."""

    def __init__(self, core: Core) -> None:
        self.server = Server(core.config, core.store, core.directory)
        self.server.features = xeps.SERVER_FEATURES
        self.server.account_features = xeps.ACCOUNT_FEATURES
        self.server.runs = Runs()
        self.server.end_sessions = partial(lifecycle.end_sessions, self.server)
        self.server.give_up = partial(lifecycle.give_up, self.server)
        core.directory.statuses.teller = partial(shown.status, self.server)
        self.server.keeper = Keeper(core.store)
        self.server.archive_preferences = Remembered(
            core.store, xep_0441_preferences.TOPIC, xep_0441_preferences.load
        )
        self.archives = ArchiveUpkeep(self.server)
        self._notices = Notices(self.server)
        self._news = News(self.server)
        self.server.absent = Absent(self.server)
        self.server.pushes = Remembered(core.store, xep_0357_push.TOPIC, push.of)
        bus = core.store.bus
        if isinstance(bus, RemoteBus):
            self.server.processes = Processes(self.server, bus)
            Relayed(self.server, self.server.processes)
        self._handover = Handover(self.server)
        self.server.handover = self._handover
        self.server.succession = Succession(self.server, self._handover)
        self._movements = Movements(self.server)
        for label, make in HOSTS:
            self.server.add_host(label, make(self.server))
        rooms = self.server.hosts[xep_0045_muc.LABEL]
        assert isinstance(rooms, Rooms), "listed so"
        self.missed = Missed(self.server, rooms)
        self._has_tls = core.tls is not None
        if core.config.federation.enabled or core.config.federation.components:
            self.server.abroad = Abroad(self.server, core.tls, Components(self.server))
        self._websocket = WebSocketRoute(self.server, self._serve_web)
        self._bosh = BoshRoute(self.server, self._serve_web)
        self._unsubscribe: list[Callable[[], None]] = []

    @property
    def listeners(self) -> Sequence[Listener]:
        """STARTTLS on 5222, TLS from the first byte on 5223 (XEP-0368)."""
        starttls: Security = "starttls" if self._has_tls else "none"
        refusal = _REFUSAL + b"</stream:stream>"
        plain = Listener("xmpp", 5222, starttls, lambda stream: self._serve(stream, starttls), refusal)
        others = listeners(self.server.abroad, has_tls=self._has_tls)
        if not self._has_tls:
            return (plain, *others)
        direct = Listener(
            "xmpps", 5223, "direct", lambda stream: self._serve(stream, "direct"), alpn="xmpp-client"
        )
        return (plain, direct, *others)

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        upload = self.server.hosts[xep_0363_upload.LABEL]
        assert isinstance(upload, UploadHost)
        return (
            (xep_0363_upload.PREFIX, upload.answer),
            (websocket.PATH, self._websocket.answer),
            (xep_0124_bosh_route.PATH, self._bosh.answer),
            (xep_0472_atom.PREFIX, Feeds(self.server).answer),
        )

    async def start(self) -> None:
        """Joins the other processes, and listens for people who must go."""
        if self.server.processes is not None:
            await self.server.processes.start()
        await self._handover.take_orphans()
        self._movements.start()
        self.missed.start()
        self.archives.start()
        self._notices.start()
        self._news.start()
        bus = self.server.store.bus
        self._unsubscribe = [
            bus.subscribe(TOPIC_KICK, lambda data: lifecycle.kick(self.server, int(data))),
            bus.subscribe(TOPIC_KICK_DEVICE, self._on_kick_device),
        ]

    async def stop(self) -> None:
        """Tells every client goodbye and ends every session."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._movements.stop()
        await self.missed.stop()
        await self.archives.stop()
        await self._news.stop()
        await self._notices.stop()
        await lifecycle.stop(self.server)
        self.server.archive_preferences.close()
        self.server.pushes.close()
        self.server.absent.close()
        if self.server.abroad is not None:
            await self.server.abroad.stop()
        await self._bosh.stop()
        if self.server.processes is not None:
            await self.server.processes.stop()

    def _on_kick_device(self, data: bytes) -> None:
        principal, device = data.decode().split(" ", 1)
        lifecycle.kick_device(self.server, int(principal), device)

    def _serve(self, stream: Stream, tls: Security) -> Coroutine[Any, Any, None]:
        limit = self.server.config.xmpp.stanza_size_before_login
        return ClientStream(self.server, TcpTransport(stream, limit), tls).run()

    def _serve_web(self, transport: Transport) -> Coroutine[Any, Any, None]:
        """TLS is that of HTTP: STARTTLS is not offered (RFC 7395 §3.9, XEP-0206 §2)."""
        return ClientStream(self.server, transport, "none").run()
