# SPDX-License-Identifier: Apache-2.0
"""What a serving process tells of itself, and to whom: a worker to its supervisor, a daemon of one process to
whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from armgs_server import log
from armgs_server.config import Config
from armgs_server.errors import DomainError
from armgs_server.metrics.certificate import seconds_left
from armgs_server.metrics.inquiry import Answering, What, alone
from armgs_server.metrics.lag import LagMeter
from armgs_server.metrics.site import Site
from armgs_server.metrics.snapshot import take
from armgs_server.storage import Store, clock, queue
from armgs_server.storage.bus import Bus

_log = log.get("metrics")


class Telling:
    """From `start` to `stop`. `link` is the bus to the supervisor; None where there is none."""

    def __init__(
        self, config: Config, store: Store, describe: Callable[[], list[Any]], link: Bus | None
    ) -> None:
        self._config = config
        self._store = store
        self._describe = describe
        self._lag = LagMeter()
        self._answering = None if link is None else Answering(link, self.tell)
        self._site = Site(config.metrics, config.data_dir, alone(self.tell)) if link is None else None

    async def start(self) -> None:
        """OSError where it cannot listen."""
        self._lag.start()
        if self._answering is not None:
            self._answering.start()
        if self._site is not None:
            await self._site.start()

    async def stop(self) -> None:
        """Tells no more."""
        self._lag.stop()
        if self._answering is not None:
            self._answering.stop()
        if self._site is not None:
            await self._site.stop()

    async def tell(self, what: What) -> Any:
        """Connections, or figures; those of the store are missing while it cannot be read."""
        if what == "connections":
            return self._describe()
        try:
            waiting = await self._store.read(queue.waiting)
        except DomainError as error:
            _log.warning("figures without the store's", error=error)
            return take().as_json()
        age = (clock.now() - waiting.oldest) / clock.SECOND if waiting.oldest else 0.0
        latest = {
            "queue_messages": float(waiting.count),
            "queue_held": float(waiting.held),
            "queue_oldest_seconds": max(0.0, age),
        }
        left = seconds_left(self._config)
        if left is not None:
            latest["certificate_seconds"] = left
        return take(latest).as_json()
