# SPDX-License-Identifier: Apache-2.0
"""The bus between hosts, on a real NATS: topics, order, no echo, a server that goes and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from armgs_server.storage import bus_nats
from armgs_server.storage.bus_nats import NatsBus, subject
from tests import nats


@pytest.fixture
def server(tmp_path: Path) -> Iterator[nats.Server]:
    server = nats.Server(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def hosts(server: nats.Server) -> AsyncIterator[list[NatsBus]]:
    buses = [NatsBus(server.url) for _ in range(2)]
    for bus in buses:
        await bus.start()
    yield buses
    for bus in buses:
        await bus.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_messages_cross_in_order_and_do_not_come_back(hosts: list[NatsBus]) -> None:
    a, b = hosts
    heard: list[tuple[str, bytes]] = []
    a.subscribe("xmpp:ivanov@digital.example", lambda data: heard.append(("a", data)))
    leave = b.subscribe("xmpp:ivanov@digital.example", lambda data: heard.append(("b", data)))
    await a.settled()
    await b.settled()
    for number in range(50):
        a.publish("xmpp:ivanov@digital.example", b"%d" % number)
    await until(lambda: len(heard) == 100)
    assert [data for who, data in heard if who == "b"] == [b"%d" % number for number in range(50)]
    leave()
    await b.settled()
    a.publish("xmpp:ivanov@digital.example", b"last")
    await a.settled()
    b.publish("xmpp:ivanov@digital.example", b"to a")
    await until(lambda: heard[-1] == ("a", b"to a"))
    assert ("b", b"last") not in heard


async def test_a_server_that_comes_back_is_found_and_the_gap_is_told(
    server: nats.Server, hosts: list[NatsBus]
) -> None:
    a, b = hosts
    heard: list[bytes] = []
    gaps: list[str] = []
    b.subscribe("changes:7", heard.append)
    await b.settled()
    b.on_gap(lambda: gaps.append("b"))
    server.stop()
    await until(lambda: not a.is_linked() and not b.is_linked())
    a.publish("changes:7", b"lost")
    server.start()
    await until(lambda: a.is_linked() and gaps == ["b"])
    a.publish("changes:7", b"again")
    await until(lambda: bool(heard))
    assert (heard, gaps) == ([b"again"], ["b"])


async def test_a_server_that_comes_late_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_nats, "CONNECT_TIMEOUT", 0.2)
    server = nats.Server(tmp_path)
    bus, heard, gaps = bus_nats.NatsBus(server.url), [], []
    bus.on_gap(lambda: gaps.append("gap"))
    await bus.start()
    assert not bus.is_linked()
    bus.subscribe("t", heard.append)
    bus.publish("t", b"within the process")
    assert heard == [b"within the process"]
    server.start()
    await until(lambda: bus.is_linked() and gaps == ["gap"])
    await bus.settled()
    other = bus_nats.NatsBus(server.url)
    await other.start()
    other.publish("t", b"from another")
    await until(lambda: heard[-1] == b"from another")
    await other.stop()
    await bus.stop()
    server.stop()


def test_subjects_have_no_tokens_of_their_own() -> None:
    assert subject("xmpp:a.b@c d*>") == "armgs.xmpp%3Aa%2Eb%40c%20d%2A%3E"
