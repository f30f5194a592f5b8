# SPDX-License-Identifier: Apache-2.0
"""Connections that this server opens: the same `Stream` as an accepted one, seen from the other end."""

import asyncio
import itertools
import ssl

from armgs_server.config import LimitSettings
from armgs_server.log import Trace
from armgs_server.net.deadlines import Deadlines
from armgs_server.net.stream import Stream

_numbers = itertools.count(1)


async def dial(
    host: str,
    port: int,
    limits: LimitSettings,
    deadlines: Deadlines,
    *,
    tls: ssl.SSLContext | None = None,
    name: str = "",
    trace: str = "",
) -> Stream:
    """Connects, with `tls` from the first byte towards a server of that name; OSError, TimeoutError.

    Whoever dials closes the stream; `trace` names the service whose conversation is traced.
    """
    loop = asyncio.get_running_loop()
    connection_id = f"out-{next(_numbers):x}"
    stream = Stream(
        connection_id, host, limits, deadlines, None, Trace(trace, connection_id) if trace else None
    )
    await loop.create_connection(
        lambda: stream,
        host,
        port,
        ssl=tls,
        server_hostname=name if tls is not None else None,
        ssl_handshake_timeout=limits.tls_timeout if tls is not None else None,
    )
    return stream
