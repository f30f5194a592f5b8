# SPDX-License-Identifier: Apache-2.0
"""smtp/parameters_sending.py: when, how soon, how safely a message goes on (RFC 8689, 2852, 4865, 6710)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.relay import Relay
from armgs_server.storage import clock, queue
from armgs_server.storage.queue import Entry
from tests.smtp.client import Client, inbox, wait_for_mail
from tests.smtp.conftest import MakeCore
from tests.smtp.relaying import SECOND, Clock, enqueue, queued, route
from tests.smtp.relaying import inbox as inbox_of
from tests.smtp.relaying import run as run_relay
from tests.smtp.sink import Sink, running_sink
from tests.world import IVANOV, PETROVA, World


async def waiting(world: World) -> list[Entry]:
    return await world.store.read(lambda tx: queue.scan(tx))


PEOPLE = (
    ("BY=120;R", "250 2.1.0"),
    ("BY=-5;n", "250 2.1.0"),
    ("BY=120;NT", "250 2.1.0"),
    ("BY=0;R", "501 5.5.4"),
    ("BY=1234567890;N", "501 5.5.4"),
    ("BY=5", "501 5.5.4"),
    ("BY", "501 5.5.4"),
    ("HOLDFOR=60", "250 2.1.0"),
    ("HOLDFOR=999999999", "501 5.5.4"),
    ("HOLDFOR=-1", "501 5.5.4"),
    ("HOLDFOR", "501 5.5.4"),
    ("HOLDUNTIL=2020-01-01T00:00:00Z", "250 2.1.0"),
    ("HOLDUNTIL=2999-01-01T00:00:00Z", "501 5.5.4"),
    ("HOLDUNTIL=2020-01-01T00:00:00", "501 5.5.4"),
    ("HOLDUNTIL=tomorrow", "501 5.5.4"),
    ("HOLDFOR=60 HOLDUNTIL=2020-01-01T00:00:00Z", "501 5.5.4"),
    ("MT-PRIORITY=-9", "250 2.1.0"),
    ("MT-PRIORITY=4", "250 2.1.0"),
    ("MT-PRIORITY=5", "250 2.3.6"),
    ("MT-PRIORITY=10", "501 5.5.4"),
    ("MT-PRIORITY=-0", "501 5.5.4"),
    ("REQUIRETLS", "250 2.1.0"),
    ("REQUIRETLS=yes", "501 5.5.4"),
)
STRANGERS = (("HOLDFOR=60", "555 5.5.4"), ("REQUIRETLS", "555 5.5.4"), ("MT-PRIORITY=1", "250 2.3.6"))


async def test_what_people_may_ask_for(world: World) -> None:
    async with Client(world, "submissions", secure=True) as client:
        await client.ehlo()
        await client.login(IVANOV)
        for parameters, answer in PEOPLE:
            await client.expect(f"MAIL FROM:<{IVANOV}> {parameters}", answer)
            await client.expect("RSET", "250 ")


async def test_what_strangers_may_not(world: World) -> None:
    async with Client(world) as client:
        await client.ehlo()
        for parameters, answer in STRANGERS:
            await client.expect(f"MAIL FROM:<a@b.example> {parameters}", answer)
            await client.expect("RSET", "250 ")


async def test_mail_for_later_comes_later_to_colleagues_too(world: World) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(IVANOV)
        await client.expect(f"MAIL FROM:<{IVANOV}> HOLDUNTIL={until:%Y-%m-%dT%H:%M:%SZ}", "250 2.1.0 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 2.1.5 ")
        assert (await client.send_text(b"Subject: later\r\n\r\nbody\r\n")).startswith("250 2.0.0 ")
    [entry] = await waiting(world)
    assert entry.next_attempt // SECOND == int(until.timestamp())
    assert await inbox(world, PETROVA) == []
    await world.store.write(lambda tx: queue.retry(tx, [entry], clock.now(), SECOND))
    [message] = await wait_for_mail(world, PETROVA)
    assert message.startswith(f"Return-Path: <{IVANOV}>\r\n".encode())
    assert await waiting(world) == []


async def test_what_is_urgent_goes_first(make_core: MakeCore) -> None:
    core, clock_ = await make_core(), Clock()
    await enqueue(core, clock_(), "calm@other.example", priority=-1)
    await enqueue(core, clock_(), "plain@other.example")
    await enqueue(core, clock_() + SECOND, "urgent@other.example", priority=4)
    rows = await core.store.write(lambda tx: queue.claim(tx, clock_() + SECOND, SECOND, 1))
    assert [row.recipient for row in rows] == ["urgent@other.example"]


async def test_what_is_too_late_comes_back(make_core: MakeCore) -> None:
    async with running_sink(Sink(text_answer="450 4.2.1 Busy")) as sink:
        core, clock_ = await make_core(relay_routes=(route(sink),)), Clock()
        relay = Relay(Delivery(core), clock_)
        await enqueue(core, clock_(), "x@other.example", deliver_by=(clock_() + 100 * SECOND, "R"))
        await run_relay(relay)  # the server does not promise to be in time
    assert await queued(core) == []
    [report] = await inbox_of(core, IVANOV)
    assert b"\r\nStatus: 5.4.7\r\n" in report


async def test_the_sender_hears_of_a_delay_when_the_time_is_over(make_core: MakeCore) -> None:
    async with running_sink(Sink(text_answer="450 4.2.1 Busy")) as sink:
        core, clock_ = await make_core(relay_routes=(route(sink),)), Clock()
        relay = Relay(Delivery(core), clock_)
        await enqueue(core, clock_(), "x@other.example", deliver_by=(clock_() + 100 * SECOND, "N"))
        await run_relay(relay)
        assert await inbox_of(core, IVANOV) == []
        clock_.forward(100)  # before the back-off is over
        await run_relay(relay)
    [report] = await inbox_of(core, IVANOV)
    assert b"\r\nAction: delayed\r\n" in report
    assert [row[1] for row in await queued(core)] == [2]


@pytest.mark.parametrize(
    ("mode", "notify", "reports"), [("N", (), 1), ("NT", (), 1), ("N", ("NEVER",), 0), ("N", ("FAILURE",), 1)]
)
async def test_who_asked_for_a_time_learns_that_nobody_promises_it(
    make_core: MakeCore, mode: str, notify: tuple[str, ...], reports: int
) -> None:
    async with running_sink(Sink()) as sink:
        core, clock_ = await make_core(relay_routes=(route(sink),)), Clock()
        due = clock_() + 100 * SECOND
        await enqueue(core, clock_(), "x@other.example", notify=notify, deliver_by=(due, mode))
        await run_relay(Relay(Delivery(core), clock_))
    assert len(sink.messages) == 1
    found = await inbox_of(core, IVANOV)
    assert len(found) == reports
    assert all(b"\r\nAction: relayed\r\n" in report for report in found)
