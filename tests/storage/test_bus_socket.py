# SPDX-License-Identifier: Apache-2.0
"""The bus between workers: topics, order, a hub that goes and comes back, frames in any cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.storage.bus_socket import PUBLISH, SUBSCRIBE, UNSUBSCRIBE, Frames, Hub, SocketBus, frame


class Workers:
    """Three workers on one hub; `lost` names those that were cut off."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.buses: list[SocketBus] = []
        self.lost: list[int] = []

    async def start(self) -> None:
        for number in range(3):
            bus = SocketBus(await self.hub.add(), lambda number=number: self.lost.append(number))  # type: ignore[misc]
            await bus.start()
            self.buses.append(bus)


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    workers = Workers()
    await workers.start()
    yield workers
    for bus in workers.buses:
        await bus.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_message_reaches_every_worker_that_hears_its_topic_once(workers: Workers) -> None:
    a, b, c = workers.buses
    heard: list[tuple[str, bytes]] = []
    a.subscribe("t", lambda data: heard.append(("a", data)))
    b.subscribe("t", lambda data: heard.append(("b", data)))
    c.subscribe("other", lambda data: heard.append(("c", data)))
    await until(lambda: len(workers.hub.topics.get("t", ())) == 2)
    for number in range(100):
        a.publish("t", b"%d" % number)
    await until(lambda: len(heard) == 200)
    assert [data for who, data in heard if who == "b"] == [b"%d" % number for number in range(100)]
    assert [data for who, data in heard if who == "a"] == [b"%d" % number for number in range(100)]


async def test_the_last_unsubscribe_tells_the_hub(workers: Workers) -> None:
    a, topics = workers.buses[0], workers.hub.topics
    first, second = a.subscribe("t", lambda data: None), a.subscribe("t", lambda data: None)
    await until(lambda: "t" in topics)
    first()
    a.publish("t", b"one is left")
    await asyncio.sleep(0)
    assert "t" in topics
    second()
    second()
    await until(lambda: "t" not in topics)
    assert topics == {}


async def test_a_worker_that_goes_leaves_its_topics(workers: Workers) -> None:
    a, topics = workers.buses[0], workers.hub.topics
    a.subscribe("t", lambda data: None)
    await until(lambda: "t" in topics)
    await a.stop()
    await until(lambda: "t" not in topics)
    a.publish("t", b"nobody else hears it, and nothing fails")
    assert workers.lost == []


async def test_a_worker_that_was_cut_off_is_told(workers: Workers) -> None:
    a = workers.buses[0]
    a.subscribe("t", lambda data: None)
    await until(lambda: "t" in workers.hub.topics)
    for peer in workers.hub.topics["t"]:
        peer.transport.abort()
    await until(lambda: workers.lost == [0])
    assert not a.is_linked()


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


async def test_a_worker_knows_whether_another_hears_what_it_hears(workers: Workers) -> None:
    first, second, third = workers.buses
    leave = first.subscribe("topic", lambda _: None)
    assert not first.is_heard_elsewhere("topic")
    assert second.is_heard_elsewhere("topic"), "who does not hear it itself cannot know"
    leave_second = second.subscribe("topic", lambda _: None)
    await until(lambda: first.is_heard_elsewhere("topic") and second.is_heard_elsewhere("topic"))
    leave_third = third.subscribe("topic", lambda _: None)
    await until(lambda: third.is_heard_elsewhere("topic"))
    leave_second()
    leave_third()
    await until(lambda: not first.is_heard_elsewhere("topic"))
    heard: list[bytes] = []
    first.subscribe("topic", heard.append)
    first.publish_elsewhere("topic", b"to others only")
    leave()
    assert not heard


async def test_a_worker_that_ends_leaves_the_other_alone_with_its_topic(workers: Workers) -> None:
    first, second, _ = workers.buses
    first.subscribe("topic", lambda _: None)
    second.subscribe("topic", lambda _: None)
    await until(lambda: first.is_heard_elsewhere("topic"))
    await second.stop()
    await until(lambda: not first.is_heard_elsewhere("topic"))
    assert "topic" in workers.hub.topics, "the first still hears it"
