# SPDX-License-Identifier: Apache-2.0
"""Listening sockets: accepting, connection limits, TLS from the first byte, and the graceful stop.

Each accepted connection has one task, which lives as long as the connection and is owned by the
server: an exception in it ends this connection and no other.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from armgs_server import log
from armgs_server.config import Config
from armgs_server.net.alpn import AlpnSwitch
from armgs_server.net.deadlines import Deadlines
from armgs_server.net.endpoint import SERVICE_OF, Endpoint, open_endpoint, refuse
from armgs_server.net.hosts import is_within
from armgs_server.net.http.connection import HttpConnection
from armgs_server.net.http.message import Handler
from armgs_server.net.http.shell import HttpShell
from armgs_server.net.limits import ConnectionLimits, is_power_of_two
from armgs_server.net.outlet import is_expected_end
from armgs_server.net.proxy import ProxyError, read_header
from armgs_server.net.stream import Listener, Stream
from armgs_server.net.tls import TlsContext, TlsContexts

_log = log.get("net")
LOCAL = "127.0.0.1"  # the peer of a Unix socket: this host
_ACCEPT_BURST = 64
_ACCEPT_PAUSE = 0.5  # seconds to wait when the process has no more descriptors
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Server:
    """All listening sockets of a process and the connections that came through them."""

    def __init__(self, config: Config, tls: TlsContexts | None) -> None:
        self._config = config
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self.deadlines = Deadlines(self._loop)
        self.limits = ConnectionLimits(config.limits)
        self._endpoints: list[Endpoint] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams: dict[Stream, str] = {}  # and the name of their listener
        self._shells: list[HttpShell] = []
        self._pauses: set[asyncio.TimerHandle] = set()
        self._counter = 0
        self._refused = 0
        self._introducing = 0  # connections of balancers that have not said yet for whom
        self._nameless = 0  # those which never did

    def listen(self, listener: Listener, sock: socket.socket) -> None:
        """Serves IMAP, SMTP or XMPP on a bound socket."""
        tls = self._tls_of(listener)
        if tls is None and listener.tls == "direct":
            raise ValueError(f"{listener.name} needs a certificate")
        direct = tls.context if tls is not None and listener.tls == "direct" else None

        async def connect(sock: socket.socket, peer: str) -> Coroutine[Any, Any, None]:
            stream = self._open_stream(listener, peer)
            stream.is_local = sock.family == socket.AF_UNIX
            await self._connect(lambda: stream, sock, direct)
            return self._serve_stream(listener, stream)

        refusal = b"" if direct is not None else listener.refusal
        self._start(open_endpoint(listener.name, sock, connect, refusal))

    def listen_http(
        self,
        name: str,
        handler: Handler,
        sock: socket.socket,
        *,
        secure: bool,
        streams: Iterable[Listener] = (),
    ) -> None:
        """Serves HTTP, under TLS or in clear, on a bound socket.

        A client whose handshake names the `alpn` of one of the `streams` gets that one (XEP-0368 §4).
        """
        shell = HttpShell(self._config, self.deadlines, handler, is_tls=secure)
        self._shells.append(shell)
        by_name = {listener.alpn: listener for listener in streams if listener.alpn}
        context = self._https_context(by_name) if secure else None

        def choose(name: str, peer: str) -> HttpConnection | Stream:
            listener = by_name.get(name)
            return HttpConnection(shell, peer) if listener is None else self._open_stream(listener, peer)

        async def connect(sock: socket.socket, peer: str) -> Coroutine[Any, Any, None]:
            switch = AlpnSwitch(lambda name: choose(name, peer))
            await self._connect(lambda: switch, sock, context)
            chosen = switch.chosen
            if isinstance(chosen, Stream):
                return self._serve_stream(by_name[switch.name], chosen)
            return chosen.wait_closed()

        self._start(open_endpoint(name, sock, connect, b""))

    def _tls_of(self, listener: Listener) -> TlsContext | None:
        if self._tls is None or listener.tls == "none":
            return None
        return self._tls.for_service(SERVICE_OF[listener.name])

    def _https_context(self, names: Iterable[str]) -> ssl.SSLContext:
        if self._tls is None:
            raise ValueError("https needs a certificate")
        context = self._tls.for_service("http").context
        context.set_alpn_protocols(["http/1.1", *names])
        return context

    def _open_stream(self, listener: Listener, peer: str) -> Stream:
        """The stream of a connection that is being made."""
        self._counter += 1
        number = f"{self._counter:x}"
        is_traced = SERVICE_OF[listener.name] in self._config.log.trace
        trace = log.Trace(listener.name, number) if is_traced else None
        return Stream(number, peer, self._config.limits, self.deadlines, self._tls_of(listener), trace)

    async def _serve_stream(self, listener: Listener, stream: Stream) -> None:
        self._streams[stream] = listener.name
        try:
            await listener.connect(stream)
        except Exception as error:
            _report(listener.name, stream, error)
            stream.abort()
        finally:
            stream.close()
            await stream.wait_closed()
            self._streams.pop(stream, None)

    def close_listeners(self) -> None:
        """Accepts no more; those who are connected stay."""
        for endpoint in self._endpoints:
            self._loop.remove_reader(endpoint.sock.fileno())
            endpoint.sock.close()
        self._endpoints.clear()
        for pause in self._pauses:
            pause.cancel()
        self._pauses.clear()

    async def stop(self, grace: float) -> None:
        """Ends all connections: those that have something to finish have `grace` seconds for it."""
        self.close_listeners()
        for shell in self._shells:
            shell.finish()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for stream in list(self._streams):
            stream.abort()
        for shell in self._shells:
            shell.abort()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.deadlines.close()

    def describe(self) -> list[dict[str, Any]]:
        """Who is connected by what; HTTP requests log in one by one, and are not among them."""
        return [
            {
                "service": name,
                "id": stream.id,
                "peer": stream.peer,
                "account": stream.account,
                "tls": stream.tls_version,
            }
            for stream, name in self._streams.items()
        ]

    async def _connect(
        self,
        factory: Callable[[], asyncio.Protocol],
        sock: socket.socket,
        context: ssl.SSLContext | None,
    ) -> None:
        timeout = self._config.limits.tls_timeout if context is not None else None
        await self._loop.connect_accepted_socket(factory, sock, ssl=context, ssl_handshake_timeout=timeout)

    def _start(self, endpoint: Endpoint) -> None:
        endpoint.sock.setblocking(False)
        if endpoint.sock.family in (socket.AF_INET, socket.AF_INET6):  # accepted sockets inherit these
            endpoint.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            endpoint.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._endpoints.append(endpoint)
        self._loop.add_reader(endpoint.sock.fileno(), self._accept, endpoint)

    def _accept(self, endpoint: Endpoint) -> None:
        for _ in range(_ACCEPT_BURST):
            try:
                sock, address = endpoint.sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # also the connection's own errors, see accept(2)
                if error.errno in _NO_ROOM:
                    self._pause_accepting(endpoint, error)
                return
            sock.setblocking(False)
            if sock.family == socket.AF_UNIX:  # no balancer is there
                if self._admits(endpoint, sock, LOCAL):
                    self._run(self._serve(endpoint, sock, LOCAL))
                continue
            peer = address[0].removeprefix("::ffff:")  # of a dual-stack socket
            if is_within(peer, self._config.server.proxy_hosts):
                self._run(self._introduce(endpoint, sock, peer))
            elif self._admits(endpoint, sock, peer):
                self._run(self._serve(endpoint, sock, peer))

    def _pause_accepting(self, endpoint: Endpoint, error: OSError) -> None:
        _log.error("cannot accept", listener=endpoint.name, error=error)
        self._loop.remove_reader(endpoint.sock.fileno())

        def resume() -> None:
            self._pauses.discard(handle)
            self._loop.add_reader(endpoint.sock.fileno(), self._accept, endpoint)

        handle = self._loop.call_later(_ACCEPT_PAUSE, resume)
        self._pauses.add(handle)

    def _admits(self, endpoint: Endpoint, sock: socket.socket, peer: str) -> bool:
        if self.limits.admit(peer):
            return True
        self._refused += 1
        endpoint.refused.value += 1
        if is_power_of_two(self._refused):
            _log.warning("connections refused", listener=endpoint.name, peer=peer, total=self._refused)
        refuse(sock, endpoint.refusal)
        return False

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _introduce(self, endpoint: Endpoint, sock: socket.socket, balancer: str) -> None:
        """Learns from a balancer for whom its connection is, then serves that client."""
        limits = self._config.limits
        if self.limits.count + self._introducing >= limits.connections:
            refuse(sock, endpoint.refusal)
            return
        self._introducing += 1
        try:
            async with asyncio.timeout(limits.proxy_timeout):
                header = await read_header(sock)
        except (ProxyError, TimeoutError) as error:
            sock.close()
            self._nameless += 1
            if is_power_of_two(self._nameless):
                text = str(error) or "nothing came"
                fields = {"listener": endpoint.name, "peer": balancer, "total": self._nameless}
                _log.warning("no PROXY header from a balancer", **fields, error=text)
            return
        except OSError as error:  # a look whether the port answers, or a balancer that was cut off
            sock.close()
            _log.debug("connection ended", listener=endpoint.name, peer=balancer, error=error)
            return
        except asyncio.CancelledError:
            sock.close()
            raise
        finally:
            self._introducing -= 1
        peer = header.source or balancer
        if self._admits(endpoint, sock, peer):
            await self._serve(endpoint, sock, peer)

    async def _serve(self, endpoint: Endpoint, sock: socket.socket, peer: str) -> None:
        endpoint.accepted.value += 1
        endpoint.open.value += 1
        try:
            await (await endpoint.connect(sock, peer))
        except Exception as error:
            sock.close()
            if is_expected_end(error):
                _log.debug("connection failed", listener=endpoint.name, peer=peer, error=error)
            else:
                _log.exception("connection failed", listener=endpoint.name, peer=peer)
        finally:
            endpoint.open.value -= 1
            self.limits.release(peer)


def _report(listener: str, stream: Stream, error: Exception) -> None:
    """The one place where a session's exception ends: its connection is closed, the log has why."""
    stream.trace("!", repr(error))
    if is_expected_end(error):
        _log.debug("connection ended", listener=listener, connection=stream.id, error=error)
    else:
        _log.exception("session failed", listener=listener, connection=stream.id, peer=stream.peer)
