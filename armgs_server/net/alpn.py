# SPDX-License-Identifier: Apache-2.0
"""One TLS port for several protocols: the client names the one it wants in the handshake (RFC 7301)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar, cast

Chosen = TypeVar("Chosen", bound=asyncio.Protocol)


class AlpnSwitch(asyncio.Protocol, Generic[Chosen]):
    """Stands in until the handshake is done, then hands the connection over before its first byte."""

    def __init__(self, choose: Callable[[str], Chosen]) -> None:
        self.name = ""  # what the client has named
        self._choose = choose
        self._chosen: Chosen | None = None

    @property
    def chosen(self) -> Chosen:
        """The protocol that has the connection; there once the handshake is done."""
        if self._chosen is None:
            raise ConnectionResetError("the connection was lost during the TLS handshake")
        return self._chosen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        handshake = transport.get_extra_info("ssl_object")
        self.name = (handshake.selected_alpn_protocol() or "") if handshake is not None else ""
        self._chosen = chosen = self._choose(self.name)
        cast(asyncio.Transport, transport).set_protocol(chosen)
        chosen.connection_made(transport)
