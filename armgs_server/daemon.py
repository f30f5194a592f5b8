# SPDX-License-Identifier: Apache-2.0
"""The composition root: the one file that knows every service. Starts them, listens, reloads, stops.

Order of the start: store, directory, services, listeners, READY; the stop is the same backwards: no
new connections, goodbyes, at most `shutdown_timeout` for what is being done, then the store. Nothing is
acknowledged before it is durable, so a kill at any moment loses nothing that was acknowledged.
"""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import uvloop

from armgs_server import acme, api, dav, imap, ldap, log, managesieve, pop3, portal, preflight, smtp, xmpp
from armgs_server import config as configuration
from armgs_server.capacity import worker_count
from armgs_server.config import LMTP_PORT, Config
from armgs_server.directory import Directory
from armgs_server.errors import DomainError, Invalid, Unusable
from armgs_server.maintenance import Maintenance, jobs
from armgs_server.memory import Trimmer
from armgs_server.metrics import Telling
from armgs_server.net.http import Router
from armgs_server.net.redirect import redirect_to_https, where_permitted
from armgs_server.net.server import Server
from armgs_server.net.sockets import bind_all, bind_lmtp, by_port, check_free, raise_descriptor_limit
from armgs_server.net.stream import Listener
from armgs_server.net.systemd import Notifier, listen_sockets
from armgs_server.net.tls import open_contexts
from armgs_server.ports import HTTP, HTTPS, STREAM_PORTS, optional_ports
from armgs_server.reload import check, take_over
from armgs_server.service import Core, Service
from armgs_server.storage import Store
from armgs_server.storage.bus import RemoteBus
from armgs_server.storage.bus_nats import NatsBus
from armgs_server.storage.bus_socket import SocketBus
from armgs_server.storage.configured import open_store
from armgs_server.supervisor import PidFile, Supervisor

_log = log.get("daemon")

# What a client may fetch before it has any reason to trust our certificate; all else is redirected.
_OPEN_ROUTES = ("/ca.crt", "/mail/", "/.well-known/autoconfig/", acme.PREFIX)
# The store's writer thread and the loop share the interpreter: a long wait for it is a long answer, but
# each switch costs. A lone client's delivery takes 3.4 ms with Python's 0.005 and 2.2 ms with 0.001, the
# delivery of twenty a tenth more CPU; 0.0002 makes both worse.
_SWITCH_INTERVAL = 0.002
_GC_THRESHOLD = 20000  # young objects before a collection: sessions live long, garbage is rarely cyclic


OnReady = Callable[[], None]


def run(config_path: Path, on_ready: OnReady | None = None) -> int:
    """Serves until SIGTERM or SIGINT; the process's exit status. `on_ready` is called once it listens."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as long as there is nothing to reload
    try:
        config = configuration.load(config_path)
        check(config)
    except (Invalid, Unusable) as error:
        print(error.text, file=sys.stderr)
        return 2
    log.setup(config.log.level, config.log.backlog)
    raise_descriptor_limit()
    try:
        with preflight.claimed(config.data_dir):
            uvloop.run(preflight.check(config))
            if worker_count(config) == 1:
                return run_loop(serve(config, config_path, listen_sockets(), on_ready=on_ready))
            return run_loop(_supervise(config, config_path, on_ready))
    except Unusable as error:
        print(error.text, file=sys.stderr)
        return 2


def run_loop(main: Coroutine[Any, Any, None]) -> int:
    """Runs the main coroutine of a daemon, a supervisor or a worker to its end; the exit status."""
    sys.setswitchinterval(_SWITCH_INTERVAL)
    gc.set_threshold(_GC_THRESHOLD)
    try:
        uvloop.run(main)
    except (DomainError, OSError) as error:
        _log.error("cannot start", error=error)
        return 1
    return 0


async def _supervise(config: Config, config_path: Path, on_ready: OnReady | None) -> None:
    """Several workers: systemd's sockets are shared by all; our own are bound once for each of them."""
    given = listen_sockets()
    ports = optional_ports(config) if given else [*STREAM_PORTS, HTTP, HTTPS, *optional_ports(config)]
    missing = [port for port in ports if port not in by_port(given, config)]
    check_free(config, missing)

    if config.smtp.lmtp_socket and LMTP_PORT in missing:  # of one name there is one socket, for all of them
        given.append(("", bind_lmtp(config)))

    def sockets(_: int) -> Sequence[tuple[str, socket.socket]]:
        every = bind_all(config, missing, shared=True)
        return [*given, *(("", sock) for each in every.values() for sock in each)]

    await Supervisor(config, config_path, sockets, Notifier(), on_ready).run()


async def serve(
    config: Config,
    config_path: Path,
    sockets: list[tuple[str, socket.socket]],
    bus: socket.socket | None = None,
    on_ready: OnReady | None = None,
) -> None:
    """One serving process's life; `bus` is a worker's end of its supervisor's bus."""
    daemon = Daemon(config, config_path, bus)
    pid_file = PidFile(config.data_dir) if bus is None else None
    notifier = Notifier()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)

    is_ready = False

    def reload() -> None:
        if not is_ready:  # what is being built reads the same Config
            daemon.reload()
            return
        notifier.reloading()
        daemon.reload()
        notifier.ready()

    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        await daemon.start(sockets, on_bus_lost=stop.set)
        gc.collect()
        gc.freeze()
        notifier.start_watchdog()
        if pid_file is not None:
            pid_file.write()
        is_ready = True
        notifier.ready()
        if on_ready is not None:
            on_ready()
        await stop.wait()
        notifier.stopping()
    finally:
        if pid_file is not None:
            pid_file.remove()
        await daemon.stop()
        notifier.close()


class Daemon:
    """One running server. Also started inside tests, on their loop."""

    def __init__(self, config: Config, config_path: Path, bus: socket.socket | None = None) -> None:
        self._config = config
        self._bus_socket = bus
        self._bus: RemoteBus | None = None
        self._tether: RemoteBus | None = None  # with NATS: carries nothing, but ends with the supervisor
        self._config_path = config_path
        self._tls = open_contexts(config)
        self._store: Store | None = None
        self._directory: Directory | None = None
        self._maintenance: Maintenance | None = None
        self._trimmer = Trimmer(lambda: self.core.store.release())
        self._server: Server | None = None
        self._telling: Telling | None = None
        self._services: list[Service] = []
        self._sockets: dict[int, list[socket.socket]] = {}

    async def start(
        self, sockets: list[tuple[str, socket.socket]], on_bus_lost: Callable[[], None] = lambda: None
    ) -> None:
        """Opens everything and listens; `sockets` are those of systemd or the supervisor, if any."""
        config = self._config
        self._bus = self._open_bus(on_bus_lost)
        for bus in (self._bus, self._tether):
            if bus is not None:
                await bus.start()
        self._store = await open_store(config, bus=self._bus)
        self._directory = await Directory.open(self._store, config)
        self._store.watch()
        self._maintenance = Maintenance(self._store, jobs(config))
        self._maintenance.start()
        self._trimmer.start()
        core = self.core
        self._server = Server(config, self._tls)
        link = None if self._bus_socket is None else self._tether or self._bus
        self._telling = Telling(config, self._store, self._server.describe, link)
        services: list[Service] = [
            smtp.service(core),
            imap.service(core),
            pop3.service(core),
            managesieve.service(core),
            ldap.service(core),
            xmpp.service(core),
            dav.service(core),
            portal.service(core),
            api.service(core),
            acme.service(core),
        ]
        listeners = {listener.port: listener for service in services for listener in service.listeners}
        self._sockets = by_port(sockets, config) if sockets else bind_all(config, [*listeners, HTTP, HTTPS])
        for port in optional_ports(config):  # systemd's unit need not name them
            if port not in self._sockets and port in listeners:
                self._sockets |= bind_all(config, [port])
        for service in services:
            self._services.append(service)
            await service.start()
        for listener in listeners.values():
            self._listen(self._server, listener)
        self._listen_http(self._server, services)
        await self._telling.start()
        _log.info("ready", hostname=config.server.hostname, ports=" ".join(map(str, self.ports)))

    def _open_bus(self, on_lost: Callable[[], None]) -> RemoteBus | None:
        """NATS where it is configured, the supervisor's hub where there is one, else none but our own."""
        hub = None if self._bus_socket is None else SocketBus(self._bus_socket, on_lost)
        if not self._config.store.bus:
            return hub
        self._tether = hub
        return NatsBus(self._config.store.bus)

    @property
    def core(self) -> Core:
        """What the services stand on; only of a daemon that was started."""
        if self._store is None or self._directory is None:
            raise RuntimeError("the daemon is not running")
        return Core(self._config, self._store, self._directory, self._tls)

    @property
    def ports(self) -> list[int]:
        """The ports that are listened on, offset included."""
        return [self._config.port(port) for port in sorted(self._sockets)]

    def reload(self) -> None:
        """Reads configuration and certificates again; what is wrong is logged and changes nothing."""
        report = _log.info if self._bus_socket is None else _log.debug
        take_over(self._config, self._config_path, self._tls, report)

    async def stop(self) -> None:
        """Ends in order; may be called after a start that failed half-way."""
        grace = self._config.limits.shutdown_timeout
        if self._server is not None:
            self._server.close_listeners()
        for service in reversed(self._services):
            try:
                async with asyncio.timeout(grace):
                    await service.stop()
            except Exception:
                _log.exception("a service did not stop cleanly", service=type(service).__name__)
        if self._server is not None:
            await self._server.stop(grace)
        for sock in (sock for sockets in self._sockets.values() for sock in sockets):
            sock.close()
        self._trimmer.stop()
        if self._telling is not None:
            await self._telling.stop()
        if self._maintenance is not None:
            await self._maintenance.stop()
        if self._directory is not None:
            await self._directory.close()
        if self._store is not None:
            await self._store.close()
        for bus in (self._bus, self._tether):
            if bus is not None:
                await bus.stop()
        _log.info("stopped")

    def _listen(self, server: Server, listener: Listener) -> None:
        if listener.tls == "direct" and self._tls is None:
            _log.warning("no certificate, so not served", listener=listener.name)
            return
        for sock in self._sockets.get(listener.port, ()):
            server.listen(listener, sock)

    def _listen_http(self, server: Server, services: list[Service]) -> None:
        routes = [route for service in services for route in service.routes]
        if self._tls is not None:
            streams = [listener for service in services for listener in service.listeners]
            secure = Router()
            for prefix, handler in routes:
                secure.add(prefix, handler)
            for sock in self._sockets.get(HTTPS, ()):
                server.listen_http("https", secure, sock, secure=True, streams=streams)
        everything, little = Router(), Router()
        little.add("/", redirect_to_https(self._config.port(HTTPS), self._config.server.hostname))
        for prefix, handler in routes:
            everything.add(prefix, handler)
            if prefix in _OPEN_ROUTES:
                little.add(prefix, handler)
        plain = where_permitted(self._config.security, everything, little)
        for sock in self._sockets.get(HTTP, ()):
            server.listen_http("http", plain, sock, secure=False)
