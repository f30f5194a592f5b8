# SPDX-License-Identifier: Apache-2.0
"""A domain that is partly on another server, and departments that send by servers of their own."""

from __future__ import annotations

from pathlib import Path

from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.relay import Relay
from tests.smtp.client import Client, inbox
from tests.smtp.conftest import MakeCore
from tests.smtp.relaying import Clock, enqueue, queued, run
from tests.smtp.relaying import inbox as inbox_of
from tests.smtp.sink import Sink, running_sink
from tests.world import IVANOV, PETROVA, World

OLD = "old@digital.example"


async def test_who_is_not_here_is_there(tmp_path: Path) -> None:
    async with running_sink(Sink()) as sink:
        settings = {"smtp": {"split": [f"digital.example=127.0.0.1:{sink.port}"], "relay_idle": 0}}
        async with World(tmp_path, settings=settings) as world:
            async with Client(world) as client:
                await client.ehlo()
                assert (await client.mail("a@b.example", PETROVA, OLD)).startswith("250 ")
                await client.expect("MAIL FROM:<a@b.example>", "250 ")
                await client.expect("RCPT TO:<nobody@finance.example>", "550 5.1.1 ")  # not split
            assert len(await inbox(world, PETROVA)) == 1
            await sink.wait()
    assert [envelope.rcpt_tos for envelope in sink.messages] == [[OLD]]


async def test_who_has_moved_here_meanwhile_gets_it_here(make_core: MakeCore) -> None:
    async with running_sink(Sink()) as sink:
        core, clock = await make_core(split=(f"digital.example=127.0.0.1:{sink.port}",)), Clock()
        await enqueue(core, clock(), OLD, "never@digital.example", sender="a@b.example")
        await core.directory.create_person(OLD)
        await run(Relay(Delivery(core), clock))
    assert [envelope.rcpt_tos for envelope in sink.messages] == [["never@digital.example"]]
    assert len(await inbox_of(core, OLD)) == 1
    assert await queued(core) == []


async def test_a_department_sends_by_its_own_server(make_core: MakeCore) -> None:
    async with running_sink(Sink()) as own, running_sink(Sink()) as other:
        core, clock = (
            await make_core(
                relay_by_sender=(f"digital.example=127.0.0.1:{own.port}",),
                relay_routes=(f"near.example=127.0.0.1:{other.port}",),
                relay_host=f"127.0.0.1:{other.port}",
            ),
            Clock(),
        )
        await enqueue(core, clock(), "x@far.example")
        await enqueue(core, clock(), "x@near.example")  # a route of the recipient's domain goes first
        await enqueue(core, clock(), "y@far.example", sender="a@b.example")
        relay = Relay(Delivery(core), clock)
        await run(relay)
        await relay.stop()
    assert [(each.mail_from, each.rcpt_tos) for each in own.messages] == [(IVANOV, ["x@far.example"])]
    assert len(other.messages) == 2
