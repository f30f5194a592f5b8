# SPDX-License-Identifier: Apache-2.0
"""gsasl of GNU SASL, over GnuTLS: its SCRAM binds the channel by tls-exporter (RFC 9266)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.world import HOSTNAME, IVANOV, PASSWORD, World

pytestmark = pytest.mark.peer

TIMEOUT = 60.0
TLS_1_2 = ("--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2")


async def gsasl(world: World, protocol: str, port: int, mechanism: str, *options: str) -> str:
    """What it prints of one log-in."""
    process = await asyncio.create_subprocess_exec(
        *("gsasl", f"--{protocol}", "--connect", f"{HOSTNAME}:{port}", "--mechanism", mechanism),
        *("-a", IVANOV, "-p", PASSWORD, f"--x509-ca-file={world.ca}", "--no-client-first", *options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(TIMEOUT):
        output, _ = await process.communicate()
    return output.decode()


@pytest.mark.parametrize(("protocol", "service"), [("imap", "imap"), ("smtp", "submission")])
async def test_scram_bound_to_the_connection(
    debian: Callable[..., None], tmp_path: Path, protocol: str, service: str
) -> None:
    debian("gsasl")
    async with World(tmp_path) as world:
        port = world.ports[service]
        output = await gsasl(world, protocol, port, "SCRAM-SHA-256-PLUS")
        assert "server trusted" in output, output
        # over TLS 1.2 there is no safe kind for these protocols, so it is not offered
        output = await gsasl(world, protocol, port, "SCRAM-SHA-256-PLUS", *TLS_1_2)
        assert "server trusted" not in output, output
