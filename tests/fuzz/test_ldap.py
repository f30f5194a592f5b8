# SPDX-License-Identifier: Apache-2.0
"""A real LDAP server in each of its states, then nonsense: it answers in BER, or ends the connection with a
notice, and serves the next client as before.

The nonsense is made of valid pieces, cut and mixed by a seeded generator, so that a failure can be had again.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.ldap.client import Client, control, number, octets, paged, parse, search, tlv
from tests.world import IVANOV, PASSWORD, World

ROUNDS = 60
REQUESTS = [
    tlv(0x60, number(3) + octets(IVANOV) + octets(PASSWORD, 0x80)),
    tlv(0x60, number(3) + octets("") + octets("", 0x80)),
    tlv(0x60, number(3) + octets("") + tlv(0xA3, octets("SCRAM-SHA-256") + octets(b"n,,n=a,r=b"))),
    search("", 0, "(objectClass=*)"),
    search("dc=digital,dc=example", 2, "(|(cn=*и*)(mail=*a*)(!(sn>=b)))", ("*", "+")),
    search("ou=people,dc=digital,dc=example", 1, "(memberOf=uid=x,ou=groups,dc=digital,dc=example)"),
    tlv(0x6E, octets("dc=digital,dc=example") + tlv(0x30, octets("o") + octets("x"))),
    tlv(0x77, octets("1.3.6.1.4.1.4203.1.11.3", 0x80)),
    tlv(0x68, octets("dc=a") + tlv(0x30, b"")),
    octets(b"\x01", 0x50),
]
CONTROLS = [b"", b"", b"", paged(2), paged(1, b"1 0 0"), control("1.2", critical=True), tlv(0x30, b"\xff")]
STATES = ("anonymous", "logged in", "in the middle of a log-in")


def nonsense(generator: random.Random) -> bytes:
    """Some messages, of which some bytes are others or missing."""
    data = bytearray()
    for message_id in range(1, generator.randint(2, 12)):
        controls = generator.choice(CONTROLS)
        whole = number(message_id) + generator.choice(REQUESTS) + (tlv(0xA0, controls) if controls else b"")
        part = bytearray(tlv(0x30, whole))
        for _ in range(generator.choice((0, 0, 1, 3))):
            part[generator.randrange(len(part))] = generator.randrange(256)
        data += part[: generator.choice((len(part), len(part), len(part), generator.randrange(len(part))))]
    return bytes(data)


@pytest.mark.parametrize("state", STATES)
async def test_nonsense(tmp_path: Path, state: str) -> None:
    generator = random.Random(f"ldap {state}")
    limits = dict.fromkeys(("login_failures", "login_failures_address", "login_failures_network"), 100_000)
    async with World(tmp_path, settings={"security": limits}) as world:
        for _ in range(ROUNDS):
            async with Client(world) as client:
                if state != "anonymous":
                    assert (await client.bind()).code == 0
                if state == "in the middle of a log-in":
                    assert (await client.sasl("SCRAM-SHA-256", f"n,,n={IVANOV},r=x".encode())).code == 14
                client.writer.write(nonsense(generator))
                client.writer.write_eof()
                async with asyncio.timeout(30):
                    answer = await client.reader.read()
                assert all(tag == 0x30 for tag, _ in parse(answer))
        async with Client(world) as client:
            assert (await client.bind()).code == 0
            assert (await client.search("(uid=ivanov)")).names == [IVANOV]
