# SPDX-License-Identifier: Apache-2.0
"""Any message at all is judged, signed and sealed without an error, in bounded time.

Messages are made of valid pieces, cut and mixed by a seeded generator, so that a failure can be had again.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from armgs_server.formats import mime
from armgs_server.trust import authentication_results, checks
from armgs_server.trust.departure import Sealer
from armgs_server.trust.fields import split_fields
from armgs_server.trust.lookups import Lookups
from armgs_server.trust.model import Arrival, Departure
from tests.trust.conftest import MakeLookups
from tests.trust.conftest import make_lookups as make_lookups
from tests.trust.test_departure import RECORDS, give_keys
from tests.trust.test_dkim import ED25519, EXAMPLE, EXAMPLE_KEYS, MESSAGE, RSA, ZONE, signed
from tests.trust.zones import texts
from tests.world import World

ROUNDS = 300
PIECES = [
    *EXAMPLE.splitlines(keepends=True)[:21],
    *signed(MESSAGE, RSA, ED25519).splitlines(keepends=True)[:24],
    b"DKIM-Signature:\r\n",
    b"DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=r1; h=From; bh=; b=;\r\n",
    b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=digital.example; s=r1; b=AAAA\r\n",
    b"ARC-Message-Signature: i=1; a=rsa-sha256; d=digital.example; s=r1; h=From; bh=AAAA; b=AAAA\r\n",
    b"ARC-Authentication-Results: i=1; localhost; arc=none\r\n",
    b"ARC-Seal: i=51;\r\n",
    b"Authentication-Results: localhost; arc=pass\r\n",
    b"Authentication-Results: (((\\\r\n",
    b"From: ivanov@digital.example\r\n",
    b"From: group: a@b.example, <@c,@d:e@f.example>;\r\n",
    "From: Иван <иван@пример.example>\r\n".encode(),
    b"From: a@xn--\xff.example\r\n",
    b"From: a@" + b"x" * 70 + b".example\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00\xff",
    b" ",
    b"\t",
    b";",
    b"=",
    b":",
    b"%{i}",
    b"x" * 3000,
]
SENDERS = [
    "",
    "a@b.example",
    "x",
    "@",
    "a@" + "y" * 64 + ".example",
    "иван@пример.example",
    "a@b..c",
    '"@"@b.example',
]
HELOS = ["", "mx.example", "[192.0.2.1]", "\udc80", "a b", "x" * 300, "пример.example"]


def pieces(seed: int) -> bytes:
    chance = random.Random(seed)
    chosen = bytearray(b"".join(chance.choices(PIECES, k=chance.randrange(1, 40))))
    for _ in range(chance.randrange(4)):
        if chosen:
            chosen[chance.randrange(len(chosen))] = chance.randrange(256)
    return bytes(chosen)


def arrival(seed: int, text: bytes) -> Arrival:
    chance = random.Random(seed)
    return Arrival(
        id=f"{seed:x}",
        peer=chance.choice(["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"]),
        helo=chance.choice(HELOS),
        is_tls=False,
        sender=chance.choice(SENDERS),
        recipients=("ivanov@digital.example",),
        text=text,
        header_size=mime.header_end(text, 0, len(text)),
    )


async def judge(lookups: Lookups, world: World, one: Arrival) -> bytes:
    head = split_fields(bytes(one.text[: one.header_size]))
    findings = await checks.run(lookups, world.config, one, head)
    return authentication_results.serialise("localhost", checks.results(findings, one))


@pytest.mark.parametrize("seed", range(4))
async def test_any_message(make_lookups: MakeLookups, tmp_path: Path, seed: int) -> None:
    lookups = await make_lookups(RECORDS | ZONE | texts(EXAMPLE_KEYS))
    async with World(tmp_path) as world:
        await give_keys(world)
        sealer = Sealer(world.daemon.core)
        for number in range(ROUNDS):
            text = pieces(seed * ROUNDS + number)
            one = arrival(number, text)
            field = await judge(lookups, world, one)
            assert len(split_fields(field)) == 1 and field.endswith(b"\r\n")
            made = await sealer.seal(Departure(text, one.sender, number % 2))
            names = {each.name for each in split_fields(made)}
            assert names in (
                set(),
                {b"dkim-signature"},
                {b"arc-seal", b"arc-message-signature", b"arc-authentication-results"},
            )
