# SPDX-License-Identifier: Apache-2.0
"""The body of a request whose content came in pieces and lies in the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from armgs_server.net.http.body import Body
from armgs_server.storage.blobs import Blobs


class Pieces(Body):
    """One blob after the other."""

    __slots__ = ("_blobs", "_hashes")

    def __init__(self, blobs: Blobs, hashes: Sequence[bytes]) -> None:
        super().__init__(_Nobody())
        self._blobs = blobs
        self._hashes = hashes

    async def chunks(self) -> AsyncIterator[bytes]:
        for each in self._hashes:
            async for chunk in self._blobs.stream(each):
                yield chunk


class _Nobody:
    """There is no connection that could be told anything."""

    def body_wanted(self) -> None:
        pass

    def body_taken(self) -> None:
        pass

    def inform(self, head: bytes) -> None:
        pass
