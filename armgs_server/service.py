# SPDX-License-Identifier: Apache-2.0
"""What the daemon gives to each protocol package, and what it gets back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from armgs_server.config import Config
from armgs_server.directory import Directory
from armgs_server.net.http import Handler
from armgs_server.net.stream import Listener
from armgs_server.net.tls import TlsContexts
from armgs_server.storage import Store


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
