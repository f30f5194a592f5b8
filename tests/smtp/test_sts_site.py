# SPDX-License-Identifier: Apache-2.0
"""smtp/sts_site.py: our own policy, where one is set and for our own domains alone (RFC 8461 §3.3)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from armgs_server.smtp import sts
from armgs_server.smtp.sts import Mode, Policy
from tests.world import World


async def get(world: World, host: str, *, secure: bool = True) -> tuple[str, str]:
    """Status line and body."""
    reader, writer = await world.connect("https" if secure else "http", secure=secure)
    writer.write(
        f"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    )
    answer = (await asyncio.wait_for(reader.read(), 10)).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return head.partition("\r\n")[0], body


@pytest.mark.parametrize("host", ["mta-sts.digital.example", "MTA-STS.finance.example:443"])
async def test_the_policy_of_our_domains(tmp_path: Path, host: str) -> None:
    settings = {"smtp": {"sts_mode": "testing", "sts_hosts": ["mx.digital.example"], "sts_max_age": 100000}}
    async with World(tmp_path, settings=settings) as world:
        status, body = await get(world, host)
        assert status == "HTTP/1.1 200 OK"
        assert sts.parse_policy(body) == Policy(Mode.TESTING, ("mx.digital.example",), 100000)
        for other in ("digital.example", "mta-sts.other.example", "mta-sts."):
            assert (await get(world, other))[0].startswith("HTTP/1.1 404 ")


async def test_without_a_policy_there_is_none(world: World) -> None:
    assert (await get(world, "mta-sts.digital.example"))[0].startswith("HTTP/1.1 404 ")
