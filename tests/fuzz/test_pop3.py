# SPDX-License-Identifier: Apache-2.0
"""A real POP3 server in each of its states, then nonsense: it answers by its protocol, or ends the session,
and nothing is lost from the inbox.

The nonsense is made of valid pieces, cut and mixed by a seeded generator, so that a failure can be had again.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.pop3.client import Client, contents, deliver
from tests.world import IVANOV, PASSWORD, World

ROUNDS = 60
PIECES = [
    b"USER ivanov@digital.example",
    b"USER ",
    b"PASS ",
    b"AUTH PLAIN ",
    b"AUTH SCRAM-SHA-256 biwsbj1h",
    b"AUTH",
    b"STLS",
    b"CAPA",
    b"UTF8",
    b"LANG ru",
    b"STAT",
    b"LIST 1",
    b"LIST 99999999999999999999",
    b"UIDL -1",
    b"RETR 1",
    b"TOP 1 1",
    b"TOP 1 99999999999999",
    b"DELE 1",
    b"RSET",
    b"NOOP",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b".",
    b"\x00",
    b"\xff\xfe",
    b"=",
    b"*",
    "иванов".encode(),
    b" " * 40,
    b"x" * 700,
]
STATES = {
    "connected": (),
    "user": (f"USER {IVANOV}",),
    "auth": ("AUTH PLAIN",),
    "transaction": (f"USER {IVANOV}", f"PASS {PASSWORD}"),
}


@pytest.mark.parametrize("state", STATES)
async def test_nonsense(tmp_path: Path, state: str) -> None:
    generator = random.Random(f"pop3 {state}")
    limits = dict.fromkeys(("login_failures", "login_failures_address", "login_failures_network"), 100_000)
    async with World(tmp_path, settings={"security": limits}) as world:
        await deliver(world, b"Subject: one\r\n\r\ntext\r\n")
        for _ in range(ROUNDS):
            async with Client(world) as client:
                for line in STATES[state]:
                    await client.command(line)
                data = b"".join(generator.choices(PIECES, k=generator.randint(1, 40)))
                client.write(data)
                client.writer.write_eof()
                async with asyncio.timeout(30):
                    answer = await client.reader.read()
                assert not answer or answer.endswith(b"\r\n"), answer
        assert len(await contents(world)) == 1
        assert (await _login(world)).startswith("+OK")


async def _login(world: World) -> str:
    """The lock of the last client goes with its connection."""
    async with asyncio.timeout(30):
        while True:
            async with Client(world) as client:
                answer = await client.login()
                if "[IN-USE]" not in answer:
                    return answer
