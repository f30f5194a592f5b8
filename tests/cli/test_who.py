# SPDX-License-Identifier: Apache-2.0
"""`armgs who`, `kick` and `top` on a daemon with people at their mail and chat programs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from armgs_server.cli import doctor_chat
from armgs_server.cli.app import main
from armgs_server.cli.probes import ClientContext, Target
from armgs_server.cli.top import compare
from armgs_server.metrics.snapshot import Snapshot
from tests.world import IVANOV, PASSWORD, PETROVA, World


async def run(world: World, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = await asyncio.to_thread(main, [*arguments, "--config", str(world.path)])
    out = capsys.readouterr().out
    return code, json.loads(out) if "--json" in arguments else out


async def imap(world: World, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await world.connect("imap")
    writer.write(f"a LOGIN {address} {PASSWORD}\r\n".encode())
    await asyncio.wait_for(reader.readuntil(b"a OK"), 30)
    await reader.readline()
    return reader, writer


async def pop3(world: World, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await world.connect("pop3s", secure=True)
    writer.write(f"USER {address}\r\nPASS {PASSWORD}\r\n".encode())
    await asyncio.wait_for(reader.readuntil(b"messages"), 30)
    return reader, writer


async def test_who_is_there_and_who_is_sent_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with World(tmp_path) as world:
        mail, phone = await imap(world, IVANOV), await imap(world, IVANOV)
        other = await pop3(world, PETROVA)
        stranger = await world.connect("smtp")
        await stranger[0].readline()
        code, found = await run(world, capsys, "who", "--json")
        assert code == 0
        assert [(one["account"], one["service"], one["connections"]) for one in found] == [
            (IVANOV, "imap", 2),
            (PETROVA, "pop3s", 1),
        ]
        assert found[1]["tls"] == "TLSv1.3"
        assert len((await run(world, capsys, "who", "--all", "--json"))[1]) == 3
        assert len((await run(world, capsys, "who", PETROVA, "--json"))[1]) == 1

        assert (await run(world, capsys, "kick", IVANOV))[0] == 0
        for reader, writer in (mail, phone):
            assert b"BYE" in await asyncio.wait_for(reader.read(), 30)
            writer.close()
        _, found = await run(world, capsys, "who", "--json")
        assert [one["account"] for one in found] == [PETROVA]
        assert (await run(world, capsys, "kick", "nobody@digital.example"))[0] == 3
        for _, writer in (other, stranger):
            writer.close()


async def test_chat_programs_are_among_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with World(tmp_path) as world:
        context = ClientContext.trusting(world.ca, "localhost")
        target = Target("127.0.0.1", world.ports["xmpps"], context, IVANOV, PASSWORD)
        device = doctor_chat.Device(target)
        await asyncio.wait_for(device.log_in("SCRAM-SHA-256", starttls=False), 30)
        _, [found] = await run(world, capsys, "who", "--json")
        assert (found["account"], found["service"]) == (IVANOV, "xmpps")
        await device.close()


async def test_top(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with World(tmp_path) as world:
        arguments = ("top", "--count", "1", "--interval", "0.2")
        asked = asyncio.create_task(run(world, capsys, *arguments, "--json"))
        writers = []
        while not asked.done():
            writers.append((await imap(world, IVANOV))[1])
        code, seen = await asked
        assert code == 0
        assert seen["workers"] == 1
        [login] = [one for one in seen["operations"] if (one["service"], one["kind"]) == ("imap", "LOGIN")]
        assert login["per second"] > 0
        assert 0 < login["p50 ms"] <= login["p99 ms"]
        code, text = await run(world, capsys, *arguments)
        assert "connections" in text
        for writer in writers:
            writer.close()


async def test_nobody_is_asked_where_no_daemon_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with World(tmp_path) as world:
        await world.stop()
        assert (await run(world, capsys, "who"))[0] == 7
        assert (await run(world, capsys, "top"))[0] == 7
        await world.start()


def test_a_worker_that_was_replaced_counts_for_nothing_below_zero() -> None:
    before = Snapshot(timings={"imap\tFETCH": ([9] + [0] * 17, 3.0)}, cpu=5.0, resident=[1])
    after = Snapshot(timings={"imap\tFETCH": ([4] + [0] * 17, 1.0)}, cpu=1.0, resident=[1])
    summary, operations = compare(before, after, 2.0)
    assert summary["cpu"] == "0%"
    assert operations == []
