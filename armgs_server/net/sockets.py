# SPDX-License-Identifier: Apache-2.0
"""Listening sockets: bound here, or handed over by systemd or the supervisor."""

import errno
import resource
import socket
from pathlib import Path

from armgs_server import log
from armgs_server.config import COMPONENT_PORT, LMTP_PORT, Config
from armgs_server.errors import Temporary
from armgs_server.unix_socket import bind_unix

_log = log.get("net")


def bind_all(config: Config, ports: list[int], *, shared: bool = False) -> dict[int, list[socket.socket]]:
    """Sockets for these standard ports on every configured address; Temporary says which cannot be had."""
    bound: dict[int, list[socket.socket]] = {}
    try:
        for port in ports:
            bound[port] = _bind_one(config, port, shared=shared)
    except BaseException:
        for sock in (sock for sockets in bound.values() for sock in sockets):
            sock.close()
        raise
    return bound


def check_free(config: Config, ports: list[int]) -> None:
    """Temporary when somebody listens on one of them: shared sockets would divide his connections with us."""
    for sockets in bind_all(config, ports).values():
        for sock in sockets:
            sock.close()


def by_port(given: list[tuple[str, socket.socket]], config: Config) -> dict[int, list[socket.socket]]:
    """systemd's sockets by standard port: what a socket serves is told by the port it is bound to."""
    sockets: dict[int, list[socket.socket]] = {}
    for _, sock in given:
        if sock.family == socket.AF_UNIX:
            port = LMTP_PORT  # the one service that has such a socket
        else:
            port = sock.getsockname()[1] - config.server.port_offset
        sockets.setdefault(port, []).append(sock)
    return sockets


def bind_lmtp(config: Config) -> socket.socket:
    """The Unix socket of LMTP, open to its folder's group; Temporary says why it cannot be had."""
    path = Path(config.smtp.lmtp_socket)
    try:
        return bind_unix(path, 0o660)
    except OSError as error:
        raise Temporary(f"cannot listen on {path}: {error.strerror}") from error


def bind(address: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket. IPv6 sockets take IPv6 only, so "0.0.0.0" and "::" can stand side by side.

    The kernel spreads connections over all `shared` sockets of one address (SO_REUSEPORT).
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    return sock


def raise_descriptor_limit() -> None:
    """Allows as many descriptors as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # a sandbox may forbid it: LimitNOFILE= does it there
        _log.warning("descriptor limit stays", limit=soft, error=error)


def _bind_one(config: Config, port: int, *, shared: bool) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    if port == LMTP_PORT:
        if config.smtp.lmtp_socket and not shared:
            sockets.append(bind_lmtp(config))
        if not config.smtp.lmtp_hosts:
            return sockets
    addresses = config.federation.component_listen if port == COMPONENT_PORT else config.server.listen
    for address in addresses:
        try:
            sockets.append(bind(address, config.port(port), shared=shared))
        except OSError as error:
            if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) and len(addresses) > 1:
                _log.debug("address not available", address=address)
                continue
            for sock in sockets:
                sock.close()
            raise Temporary(
                f"cannot listen on {address} port {config.port(port)}: {error.strerror}"
            ) from error
    return sockets
