# SPDX-License-Identifier: Apache-2.0
"""One id for what enters and what follows: drawn when needed, known to tasks, threads, the store's works."""

from __future__ import annotations

import asyncio
import time

from armgs_server import trace_id
from armgs_server.storage import Store
from armgs_server.storage.tx import Tx
from armgs_server.trace_id import TraceId, Under


def test_an_id_is_drawn_when_it_is_needed() -> None:
    assert trace_id.current() == "" and not trace_id.has_begun()
    with Under(TraceId()) as trace:
        assert trace is not None and not _is_drawn(trace) and trace_id.has_begun()
        first = trace_id.current()
        assert _is_drawn(trace) and trace_id.current() == str(trace) == first
        with Under(None):
            assert trace_id.current() == ""
        with trace_id.under("18f0a1b2c3d4e5f6"):
            assert trace_id.current() == "18f0a1b2c3d4e5f6"
        assert trace_id.current() == first
    assert trace_id.current() == ""


def test_it_tells_when_it_was_drawn() -> None:
    text = str(TraceId())
    assert trace_id.parse(text) == text
    assert abs(trace_id.moment_of(text) - time.time_ns() // 1000) < 5_000_000
    assert text != str(TraceId())


def test_a_number_of_its_own_comes_first_come_first() -> None:
    trace = TraceId()
    trace.settle(1797000000000000123)
    assert str(trace) == f"{1797000000000000123:x}"
    trace.settle(5)
    assert str(trace) == f"{1797000000000000123:x}"


def test_ids_as_people_write_them() -> None:
    assert trace_id.parse(" 18F0A1B2C3D4E5F6\n") == "18f0a1b2c3d4e5f6"
    assert trace_id.parse("1797000000000000123") == f"{1797000000000000123:x}"  # XEP-0359
    for text in (
        "",
        "18f0",
        "ivanov@digital.example",
        "<1797000000000000123@x>",
        "18f0a1b2c3d4e5fg",
        "x" * 99,
    ):
        assert trace_id.parse(text) == ""


async def test_tasks_and_threads_know_it_others_do_not() -> None:
    with trace_id.under("18f0a1b2c3d4e5f6"):
        task = asyncio.create_task(_current())
        other = asyncio.create_task(_current(), context=trace_id.apart())
        assert await asyncio.to_thread(trace_id.current) == "18f0a1b2c3d4e5f6"
    assert await task == "18f0a1b2c3d4e5f6"
    assert await other == ""


def _is_drawn(trace: TraceId) -> bool:
    return trace.is_drawn


async def _current() -> str:
    return trace_id.current()


async def test_works_of_the_store_know_who_has_asked(store: Store) -> None:
    async def work(tx: Tx) -> str:
        await tx.rows("SELECT 1")
        return trace_id.current()

    async def ask(text: str) -> str:
        with trace_id.under(text):
            return await store.write(work)

    asked = [f"18f0a1b2c3d4e{number:03x}" for number in range(20)]
    assert await asyncio.gather(*map(ask, asked)) == asked
    with trace_id.under("18f0a1b2c3d4e5f6"):
        assert await store.read(work) == "18f0a1b2c3d4e5f6"
    assert await store.write(work) == ""
