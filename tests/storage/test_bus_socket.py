# SPDX-License-Identifier: Apache-2.0
"""The bus between workers: topics, order, a hub that goes and comes back, frames in any cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.storage.bus_socket import PUBLISH, SUBSCRIBE, UNSUBSCRIBE, Frames, Hub, SocketBus, frame


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    hub = Hub()
    await hub.start(tmp_path / "bus")
    yield hub
    await hub.stop()


@pytest.fixture
async def workers(hub: Hub, tmp_path: Path) -> AsyncIterator[list[SocketBus]]:
    buses = [SocketBus(tmp_path / "bus") for _ in range(3)]
    for bus in buses:
        await bus.start()
    yield buses
    for bus in buses:
        await bus.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_message_reaches_every_worker_that_hears_its_topic_once(
    hub: Hub, workers: list[SocketBus]
) -> None:
    a, b, c = workers
    heard: list[tuple[str, bytes]] = []
    a.subscribe("t", lambda data: heard.append(("a", data)))
    b.subscribe("t", lambda data: heard.append(("b", data)))
    c.subscribe("other", lambda data: heard.append(("c", data)))
    await until(lambda: len(hub.topics.get("t", ())) == 2)
    for number in range(100):
        a.publish("t", b"%d" % number)
    await until(lambda: len(heard) == 200)
    assert [data for who, data in heard if who == "b"] == [b"%d" % number for number in range(100)]
    assert [data for who, data in heard if who == "a"] == [b"%d" % number for number in range(100)]


async def test_the_last_unsubscribe_tells_the_hub(hub: Hub, workers: list[SocketBus]) -> None:
    a = workers[0]
    first, second = a.subscribe("t", lambda data: None), a.subscribe("t", lambda data: None)
    await until(lambda: "t" in hub.topics)
    first()
    second()
    second()
    await until(lambda: "t" not in hub.topics)


async def test_a_hub_that_comes_back_finds_the_topics_again(
    hub: Hub, workers: list[SocketBus], tmp_path: Path
) -> None:
    a, b, _ = workers
    heard: list[bytes] = []
    gaps: list[str] = []
    b.subscribe("t", heard.append)
    b.on_gap(lambda: gaps.append("b"))
    await until(lambda: "t" in hub.topics)
    peers = {peer for peers in hub.topics.values() for peer in peers}
    for peer in peers:
        peer.transport.abort()
    await until(lambda: gaps == ["b"] and "t" in hub.topics)
    a.publish("t", b"again")
    await until(lambda: heard == [b"again"])


frames = st.lists(
    st.tuples(
        st.sampled_from([SUBSCRIBE, UNSUBSCRIBE, PUBLISH]), st.text(max_size=20), st.binary(max_size=50)
    )
)


@given(frames, st.integers(1, 9))
def test_frames_survive_any_cut(sent: list[tuple[bytes, str, bytes]], step: int) -> None:
    stream = b"".join(frame(*each) for each in sent)
    reader, found = Frames(), []
    for at in range(0, len(stream), step):
        found += reader.feed(stream[at : at + step])
    assert found == sent


def test_a_stream_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="not a frame"):
        Frames().feed(b"GET / HTTP/1.1\r\n")
