# SPDX-License-Identifier: Apache-2.0
"""Fetches the policy of a domain from https://mta-sts.DOMAIN/.well-known/mta-sts.txt (RFC 8461 §3.3)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httptools

from armgs_server.config import Config
from armgs_server.net.deadlines import Deadlines
from armgs_server.net.dial import dial
from armgs_server.smtp.protection import Mode, Protection, context_for
from armgs_server.smtp.routing import NoRoute, Routing
from armgs_server.smtp.sts import SIZE_LIMIT

PATH = "/.well-known/mta-sts.txt"
HTTPS_PORT = 443
# §3.3: "implementations SHOULD impose a timeout … a suggested timeout is one minute"
TIMEOUT = 60.0


class FetchFailed(Exception):
    """No policy could be had."""


class _Body:
    """Gathers one response; httptools calls its methods."""

    def __init__(self) -> None:
        self.data = b""
        self.media_type = ""
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self.media_type = value.decode("latin-1").partition(";")[0].strip().lower()

    def on_body(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > SIZE_LIMIT:
            raise FetchFailed("the policy is too large")

    def on_message_complete(self) -> None:
        self.is_complete = True


async def fetch(domain: str, routing: Routing, config: Config, port: int = HTTPS_PORT) -> str:
    """The policy's text. FetchFailed."""
    name = f"mta-sts.{domain}"
    try:
        async with asyncio.timeout(TIMEOUT):
            for address in await routing.addresses(name):
                return await _get(address, port, name, config)
    except (NoRoute, OSError, TimeoutError) as error:
        raise FetchFailed(f"{name}: {error}") from error
    raise FetchFailed(f"{name} has no address")


async def _get(address: str, port: int, name: str, config: Config) -> str:
    ca: Path | None = config.path(config.smtp.relay_ca) if config.smtp.relay_ca else None
    context = context_for(Protection(Mode.VERIFY), ca)
    deadlines = Deadlines(asyncio.get_running_loop())
    stream = await dial(address, port, config.limits, deadlines, tls=context, name=name)
    body = _Body()
    parser = httptools.HttpResponseParser(body)
    try:
        request = f"GET {PATH} HTTP/1.1\r\nHost: {name}\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"
        stream.write(request.encode())
        size = 0
        while not body.is_complete:
            data = await stream.read(TIMEOUT)
            size += len(data)
            if not data or size > 2 * SIZE_LIMIT:
                break
            parser.feed_data(data)
    except httptools.HttpParserError as error:
        failure = error.__context__
        raise FetchFailed(str(failure if isinstance(failure, FetchFailed) else error)) from error
    finally:
        stream.abort()
        deadlines.close()
    # §3.3: "HTTP 3xx redirects MUST NOT be followed"; only 200 is a policy.
    if parser.get_status_code() != 200 or body.media_type != "text/plain":
        raise FetchFailed(f"{name} gives no policy: status {parser.get_status_code()}, {body.media_type}")
    return body.data.decode("utf-8", "replace")
