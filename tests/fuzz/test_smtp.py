# SPDX-License-Identifier: Apache-2.0
"""A real server in each of its states, then nonsense: it answers by its protocol, or ends the connection.

The nonsense is made of valid pieces, cut and mixed by a seeded generator, so that a failure can be had again.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.smtp.client import Client, inbox
from tests.world import IVANOV, PETROVA, World

ROUNDS = 150
PIECES = [
    b"EHLO x",
    b"HELO ",
    b"MAIL FROM:<",
    b"a@b.example>",
    b"RCPT TO:<petrova@digital.example>",
    b'RCPT TO:<"',
    b" SIZE=",
    b" BODY=BINARYMIME",
    b" NOTIFY=NEVER,",
    b" ORCPT=rfc822;+",
    b" BY=1;R",
    b" HOLDFOR=9",
    b" HOLDUNTIL=2026-",
    b" MT-PRIORITY=-",
    b" REQUIRETLS",
    b"XCLIENT ADDR=",
    b"LHLO x",
    b"DATA",
    b"BDAT 3 LAST",
    b"BDAT 99999999999999999999",
    b"BDAT 0",
    b"RSET",
    b"AUTH PLAIN ",
    b"AUTH LOGIN",
    b"AUTH SCRAM-SHA-256 biwsbj1h",
    b"STARTTLS",
    b"VRFY",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b".",
    b"\r\n.\r\n",
    b"\x00",
    b"\xff\xfe",
    b"=",
    b"*",
    "иванов".encode(),
    b" " * 40,
    b"x" * 700,
]
STATES: dict[str, tuple[str, tuple[str, ...]]] = {
    "connected": ("smtp", ()),
    "proxied": ("smtp", ("EHLO fuzz.example", "XCLIENT ADDR=192.0.2.1")),
    "lmtp": ("lmtp", ("LHLO fuzz.example", "MAIL FROM:<a@b.example>", f"RCPT TO:<{PETROVA}>")),
    "greeted": ("smtp", ("EHLO fuzz.example",)),
    "mail": ("smtp", ("EHLO fuzz.example", "MAIL FROM:<a@b.example>")),
    "rcpt": ("smtp", ("EHLO fuzz.example", "MAIL FROM:<a@b.example>", f"RCPT TO:<{PETROVA}>")),
    "data": ("smtp", ("EHLO fuzz.example", "MAIL FROM:<a@b.example>", f"RCPT TO:<{PETROVA}>", "DATA")),
    "login": ("submission", ("EHLO fuzz.example", "AUTH LOGIN")),
    "submission": ("submission", ("EHLO fuzz.example",)),
}


def nonsense(generator: random.Random) -> bytes:
    return b"".join(generator.choice(PIECES) for _ in range(generator.randrange(1, 12)))


@pytest.mark.parametrize("state", STATES)
async def test_nonsense(tmp_path: Path, caplog: pytest.LogCaptureFixture, state: str) -> None:
    generator = random.Random(state)
    service, lines = STATES[state]
    trusted = {"lmtp_hosts": ["127.0.0.1"], "xclient_hosts": ["127.0.0.1"]}
    settings = {"security": {"login_failures": 1_000_000}, "smtp": trusted}
    async with World(tmp_path, settings=settings) as world:
        world.ports["lmtp"] = world.config.port(24)
        for _ in range(ROUNDS):
            async with Client(world, service) as client:
                for line in lines:
                    assert (await client.say(line))[0] in "23"
                client.write(nonsense(generator))
                client.writer.write_eof()
                async with asyncio.timeout(10):
                    answers = await client.reader.read()
            for answer in answers.splitlines(keepends=True):
                assert answer.endswith(b"\r\n") and answer[:3].isdigit(), answers
        async with Client(world) as client:
            await client.ehlo()
            assert (await client.mail("a@b.example", IVANOV)).startswith("250 ")
        assert len(await inbox(world, IVANOV)) == 1
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
