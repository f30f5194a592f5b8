# SPDX-License-Identifier: Apache-2.0
"""The ports of other servers and of components, where they are configured."""

from __future__ import annotations

from armgs_server.config import COMPONENT_PORT
from armgs_server.net.stream import Listener, Stream
from armgs_server.xmpp.federation.abroad import Abroad
from armgs_server.xmpp.federation.incoming import ServerStream
from armgs_server.xmpp.xeps.xep_0114_components import ComponentStream

SERVER_PORT, DIRECT_PORT = 5269, 5270


def listeners(abroad: Abroad | None, *, has_tls: bool) -> list[Listener]:
    """STARTTLS on 5269, TLS from the first byte on 5270 (XEP-0368), components on 5347 (XEP-0114)."""
    if abroad is None:
        return []

    async def starttls(stream: Stream) -> None:
        await ServerStream(abroad, stream, "starttls" if has_tls else "none").run()

    async def direct(stream: Stream) -> None:
        await ServerStream(abroad, stream, "direct").run()

    async def component(stream: Stream) -> None:
        await ComponentStream(abroad, stream).run()

    federation = abroad.config.federation
    found: list[Listener] = []
    if federation.enabled:
        found.append(Listener("xmpp-server", SERVER_PORT, "starttls" if has_tls else "none", starttls))
    if federation.enabled and has_tls:
        found.append(Listener("xmpps-server", DIRECT_PORT, "direct", direct))
    if federation.components:
        found.append(Listener("component", COMPONENT_PORT, "none", component))
    return found
