# SPDX-License-Identifier: Apache-2.0
"""101 Switching Protocols (RFC 9110 §7.8): the connection goes on as a stream of bytes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from armgs_server.net.stream import Stream

if TYPE_CHECKING:
    from armgs_server.net.http.shell import HttpShell

Serve = Callable[[Stream], Awaitable[None]]


async def hand_over(shell: HttpShell, peer: str, transport: asyncio.Transport, serve: Serve) -> None:
    """Serves the connection from here on; returns when it is gone."""
    stream = Stream(secrets.token_hex(4), peer, shell.limits, shell.deadlines, None)
    transport.set_protocol(stream)
    stream.connection_made(transport)
    try:
        await serve(stream)
    except BaseException:
        stream.abort()
        raise
    finally:
        stream.close()
        await stream.wait_closed()
