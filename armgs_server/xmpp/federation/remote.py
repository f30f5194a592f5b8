# SPDX-License-Identifier: Apache-2.0
"""What is counted for each remote domain, over all its streams in this process: how many, and how fast."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from armgs_server.config import FederationSettings
from armgs_server.xmpp.federation.pace import Pace

_MAX_PACES = 10_000  # domains that are remembered, those heard of last


class Remotes:
    """Domains that have a stream to us now. Whoever has entered leaves exactly once."""

    def __init__(self, settings: FederationSettings) -> None:
        self._settings = settings
        self._streams: dict[str, int] = {}
        self._paces: OrderedDict[str, Pace] = OrderedDict()

    def enter(self, domain: str) -> bool:
        """Counts a stream of the domain, unless it has too many."""
        count = self._streams.get(domain, 0)
        if count >= self._settings.streams:
            return False
        self._streams[domain] = count + 1
        return True

    def leave(self, domain: str) -> None:
        remaining = self._streams[domain] - 1
        if remaining:
            self._streams[domain] = remaining
        else:
            del self._streams[domain]

    async def wait(self, domain: str, size: int, stanzas: int) -> None:
        """After so much was read: returns when the domain may be heard again."""
        pace = self._paces.get(domain)
        if pace is None:
            pace = self._paces[domain] = Pace(self._settings.byte_rate, self._settings.stanza_rate)
            if len(self._paces) > _MAX_PACES:
                self._paces.popitem(last=False)
        self._paces.move_to_end(domain)
        delay = pace.take(size, stanzas, asyncio.get_running_loop().time())
        if delay > 0:
            await asyncio.sleep(delay)
