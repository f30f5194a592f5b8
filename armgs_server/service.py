# SPDX-License-Identifier: Apache-2.0
"""What the daemon gives to each protocol package, and what it gets back."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from armgs_server.config import Config
from armgs_server.directory import Directory
from armgs_server.directory.model import TOPIC_KICK, Principal
from armgs_server.net.http import Handler
from armgs_server.net.stream import Listener, Security, Stream
from armgs_server.net.tls import TlsContexts
from armgs_server.storage import Store
from armgs_server.storage.bus import Bus


@dataclass(frozen=True, slots=True)
class Core:
    """What every service stands on. The configuration is the one at the start of the daemon."""

    config: Config
    store: Store
    directory: Directory
    tls: TlsContexts | None


class Service(Protocol):
    """One protocol package: where it listens, what HTTP paths it answers, how it starts and ends."""

    @property
    def listeners(self) -> Sequence[Listener]: ...

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]: ...

    async def start(self) -> None:
        """Begins background work; called before the first connection is accepted."""

    async def stop(self) -> None:
        """Says goodbye to the clients (BYE, 421, system-shutdown) and ends background work."""


def listeners(
    tls: TlsContexts | None,
    plain: tuple[str, int],
    direct: tuple[str, int],
    connect: Callable[[Stream], Awaitable[None]],
    refusal: bytes,
) -> list[Listener]:
    """Name and port where TLS may begin later, and those where it comes first, given a certificate."""
    security: Security = "none" if tls is None else "starttls"
    found = [Listener(*plain, security, connect, refusal)]
    if tls is not None:
        found.append(Listener(*direct, "direct", connect))
    return found


class Session(Protocol):
    """One connection of a service."""

    @property
    def principal(self) -> Principal | None:
        """Who has logged in."""

    async def run(self) -> None:
        """From the greeting to the end of the connection."""

    def stop(self) -> None:
        """The server stops: the client is told so."""

    def kick(self) -> None:
        """The account was disabled, or its password changed: the connection ends."""


S = TypeVar("S", bound=Session)


class Sessions(Generic[S]):
    """The connections of a service that are open."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._open: set[S] = set()
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """From now on those of somebody who was disabled, or changed the password, end."""
        self._unsubscribe = self._bus.subscribe(TOPIC_KICK, self._on_kick)

    def stop(self) -> None:
        """Tells all of them; none may come any more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        for session in tuple(self._open):
            session.stop()

    async def run(self, session: S) -> None:
        """Serves one until it ends."""
        self._open.add(session)
        try:
            await session.run()
        finally:
            self._open.discard(session)

    def _on_kick(self, data: bytes) -> None:
        person = int(data)
        for session in tuple(self._open):
            if session.principal is not None and session.principal.id == person:
                session.kick()
