# SPDX-License-Identifier: Apache-2.0
"""The bus between two processes that a test plays both of, with a link that can be cut."""

from __future__ import annotations

import asyncio

from armgs_server.storage.bus import RemoteBus


class TwinBus(RemoteBus):
    """The bus of one of two processes: what is published here is heard there, a turn of the loop later."""

    def __init__(self) -> None:
        super().__init__()
        self.other: TwinBus | None = None
        self.is_cut = False

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None

    def is_linked(self) -> bool:
        return not self.is_cut

    def _join(self, topic: str) -> None:
        return None

    def _leave(self, topic: str) -> None:
        return None

    def _send(self, topic: str, data: bytes) -> None:
        if self.other is not None and not self.is_cut:
            asyncio.get_running_loop().call_soon(self.other.deliver, topic, data)

    def mend(self) -> None:
        """The link is there again; what was sent meanwhile is lost."""
        self.is_cut = False
        self._gap()


def twins() -> tuple[TwinBus, TwinBus]:
    """The two ends."""
    one, other = TwinBus(), TwinBus()
    one.other, other.other = other, one
    return one, other
