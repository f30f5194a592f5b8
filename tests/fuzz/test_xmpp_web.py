# SPDX-License-Identifier: Apache-2.0
"""WebSocket and BOSH fed with what no page should send: the server answers, ends the stream or waits, never
fails, and another session goes on undisturbed."""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path

import pytest

from tests.fuzz.test_xmpp import element, garbage
from tests.world import IVANOV, PETROVA, World
from tests.xmpp.bosh_client import body, exchange, post
from tests.xmpp.client import Client, chat
from tests.xmpp.websocket_client import FRAMING, WebSocketClient, frame

ROUNDS = 40
_ANSWER = 0.05  # seconds a client listens: what does not answer waits for more


def frames(chance: random.Random) -> bytes:
    """Frames around elements, whole or in fragments, some of them bent."""
    made = b""
    for _ in range(chance.randrange(1, 5)):
        data = (element(chance) if chance.random() < 0.7 else garbage(chance)).encode()
        opcode = chance.choice([1, 1, 1, 1, 0, 2, 8, 9, 10, 3])
        if opcode >= 8:
            data = data[: chance.choice([0, 2, 125, 126])]
        made += frame(opcode, data, fin=chance.random() < 0.8, masked=chance.random() < 0.95)
    if chance.random() < 0.3:
        place = chance.randrange(len(made))
        made = made[:place] + chance.randbytes(chance.randrange(1, 4)) + made[place + 1 :]
    return made


def request(chance: random.Random, sid: str, rid: int) -> bytes:
    """A body with what is right, nearly right, or wrong."""
    given: dict[str, object] = {"rid": chance.choice([rid, rid, rid, rid + 1, rid + 5, 0, "x"]), "sid": sid}
    for name, values in (
        ("type", ["terminate", "error", "x"]),
        ("pause", [0, 1, 10**9, "x"]),
        ("ack", [1, rid, 10**15]),
        ("xmpp_restart", ["true", "x"]),
        ("to", ["digital.example", "elsewhere.example", "@"]),
        ("key", ["00", "x"]),
        ("wait", [0, -1, 10**9]),
    ):
        if chance.random() < 0.15:
            given[name] = chance.choice(values)
    data = body(garbage(chance) if chance.random() < 0.5 else element(chance), **given)
    if chance.random() < 0.2:
        place = chance.randrange(len(data))
        data = data[:place] + chance.randbytes(2) + data[place + 1 :]
    return data


@pytest.mark.parametrize("state", ["new", "open", "bound"])
async def test_frames(tmp_path: Path, state: str, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(state)
    settings = {"security": {"login_failures": 10_000}, "xmpp": {"resume_time": 0.0}}
    async with World(tmp_path, settings=settings) as world, Client(world, IVANOV) as witness:
        await witness.log_in()
        await witness.go_online()
        with caplog.at_level(logging.ERROR):
            for _ in range(ROUNDS):
                client = WebSocketClient(world, PETROVA)
                await client.connect("http", secure=False)
                if state != "new":
                    client.send(f"<open xmlns='{FRAMING}' to='digital.example' version='1.0'/>")
                    await client.receive("stream:features")
                if state == "bound":
                    await client.authenticate()
                    await client.open()
                    await client.bind()
                client.writer.write(frames(chance))
                try:
                    async with asyncio.timeout(_ANSWER):
                        while await client.reader.read(65536):
                            continue
                except (TimeoutError, ConnectionError):
                    pass  # it waits for more, or has hung up: both are answers
                await client.disconnect()
                await witness.settle()
        assert [record.getMessage() for record in caplog.records] == []
        witness.send(chat(IVANOV, "still here"))
        await witness.message("still here")


async def test_bodies(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random("bosh")
    settings = {"xmpp": {"bosh_wait": 1, "bosh_inactivity": 1}}
    async with World(tmp_path, settings=settings) as world, Client(world, IVANOV) as witness:
        await witness.log_in()
        await witness.go_online()
        with caplog.at_level(logging.ERROR):
            for _ in range(ROUNDS):
                first = await post(
                    world, rid=1, to="digital.example", wait=1, hold=chance.choice([0, 1]), ack=1
                )
                sid = first.get("sid", "")
                for rid in range(2, 2 + chance.randrange(1, 4)):
                    try:
                        async with asyncio.timeout(_ANSWER):
                            status, _, _ = await exchange(world, request(chance, sid, rid))
                            assert status == 200
                    except TimeoutError:
                        pass  # it is kept waiting
                await witness.settle()
        assert [record.getMessage() for record in caplog.records] == []
        witness.send(chat(IVANOV, "still here"))
        await witness.message("still here")
