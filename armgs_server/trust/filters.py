# SPDX-License-Identifier: Apache-2.0
"""Filters that others run: what they answer, and how a broken one is kept from holding up mail.

Invariant: a filter that is down or slow changes nothing but a field that names it; after some failures in
a row it is not even asked for a while, so that it costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from armgs_server import log
from armgs_server.config import Config
from armgs_server.errors import Invalid
from armgs_server.trust.clamav import ClamAv
from armgs_server.trust.endpoint import Endpoint
from armgs_server.trust.milter import Milter
from armgs_server.trust.model import Arrival
from armgs_server.trust.opinion import Opinion
from armgs_server.trust.rspamd import Rspamd

_log = log.get("trust")


class Filter(Protocol):
    """One kind of filter: it says its opinion, or OSError, TimeoutError, EOFError or Invalid."""

    async def ask(self, arrival: Arrival) -> Opinion: ...


@dataclass(slots=True)
class _Breaker:
    """How one filter has fared. `resume` is the loop's time before which it is left alone."""

    failures: int = 0
    resume: float = 0.0


class Filters:
    """All filters of the configuration; settings count from the next message on."""

    def __init__(self, config: Config) -> None:
        self._settings = config.trust
        self._hostname = config.server.hostname
        self._breakers: dict[str, _Breaker] = {}

    async def ask_all(self, arrival: Arrival) -> tuple[list[Opinion], list[str]]:
        """The opinions in the order of the settings, and the names of the filters that had none."""
        filters = self._configured()
        if not filters or len(arrival.text) > self._settings.filter_size:
            return [], []
        answers = await asyncio.gather(*(self._ask(name, asked, arrival) for name, asked in filters.items()))
        missing = [name for name, opinion in zip(filters, answers, strict=True) if opinion is None]
        return [opinion for opinion in answers if opinion is not None], missing

    def _configured(self) -> Mapping[str, Filter]:
        settings = self._settings
        found: dict[str, Filter] = {}
        if settings.clamav:
            found["clamav"] = ClamAv(Endpoint.parse(settings.clamav))
        if settings.rspamd:
            found["rspamd"] = Rspamd(Endpoint.parse(settings.rspamd), self._hostname)
        for milter in settings.milters:
            found[f"milter {milter}"] = Milter(Endpoint.parse(milter), self._hostname)
        return found

    async def _ask(self, name: str, asked: Filter, arrival: Arrival) -> Opinion | None:
        now = asyncio.get_running_loop().time
        breaker = self._breakers.setdefault(name, _Breaker())
        if now() < breaker.resume:
            return None
        if breaker.failures >= self._settings.filter_failures:
            breaker.resume = now() + self._settings.filter_pause  # this message tries it, others do not
        try:
            async with asyncio.timeout(self._settings.filter_timeout):
                opinion: Opinion | None = await asked.ask(arrival)
        except Invalid as error:
            # It answers, only not about this message: nobody turns it off by sending what it chokes on.
            _log.warning("filter has no opinion", filter=name, error=error)
            opinion = None
        except (OSError, TimeoutError, EOFError) as error:
            breaker.failures += 1
            if breaker.failures >= self._settings.filter_failures:
                breaker.resume = now() + self._settings.filter_pause
            reason = str(error) or type(error).__name__
            _log.warning("filter failed", filter=name, error=reason, failures=breaker.failures)
            return None
        if breaker.failures:
            _log.info("filter answers again", filter=name)
        breaker.failures, breaker.resume = 0, 0.0
        return opinion
