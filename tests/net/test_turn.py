# SPDX-License-Identifier: Apache-2.0
"""What is written in one turn of the loop goes out at its end, whatever happens to one of the writers."""

from __future__ import annotations

import asyncio

from armgs_server.net.turn import Turn


class Writer:
    def __init__(self, flushed: list[str], name: str, error: Exception | None = None) -> None:
        self.flushed, self.name, self.error = flushed, name, error

    def flush(self) -> None:
        self.flushed.append(self.name)
        if self.error is not None:
            raise self.error


async def test_all_are_flushed_in_their_order_and_once() -> None:
    turn, flushed = Turn(asyncio.get_running_loop()), list[str]()
    for name in ("a", "b"):
        turn.add(Writer(flushed, name))
    assert flushed == []
    await asyncio.sleep(0)
    assert flushed == ["a", "b"]
    turn.add(Writer(flushed, "c"))
    await asyncio.sleep(0)
    assert flushed == ["a", "b", "c"]


async def test_one_that_fails_keeps_no_other_from_writing() -> None:
    loop = asyncio.get_running_loop()
    turn, flushed, told = Turn(loop), list[str](), list[object]()
    former = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    try:
        error = RuntimeError("broken")
        turn.add(Writer(flushed, "a", error))
        turn.add(Writer(flushed, "b"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(former)
    assert flushed == ["a", "b"]
    assert told == [error]
