# SPDX-License-Identifier: Apache-2.0
"""smtp/reports.py: who is told what, by NOTIFY (RFC 3461 §4.1), on success, failure and delay."""

from __future__ import annotations

import email
import email.policy

import pytest

from armgs_server.directory.people import Change
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.relay import Relay
from armgs_server.storage import queue
from tests.smtp.client import Client, inbox
from tests.smtp.conftest import MakeCore
from tests.smtp.relaying import Clock, enqueue, queued, route, run
from tests.smtp.relaying import inbox as core_inbox
from tests.smtp.sink import Sink, running_sink
from tests.world import IVANOV, PETROVA, SIDOROV, World

TEXT = f"From: <{IVANOV}>\r\nSubject: x\r\n\r\nbody\r\n".encode()


async def test_success_here_is_reported_to_who_asks(world: World) -> None:
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(IVANOV)
        await client.expect(f"MAIL FROM:<{IVANOV}> RET=FULL ENVID=QQ1", "250 ")
        await client.expect(f"RCPT TO:<{PETROVA}> NOTIFY=SUCCESS ORCPT=rfc822;anna+2B1@x.example", "250 ")
        await client.expect(f"RCPT TO:<{SIDOROV}>", "250 ")
        assert (await client.send_text(TEXT)).startswith("250 ")
        assert (await client.mail(IVANOV, PETROVA)).startswith("250 ")  # nothing is asked for
    [report] = await inbox(world, IVANOV)
    assert report.startswith(b"Return-Path: <>\r\n")
    assert (
        b"Original-Recipient: rfc822; anna+1@x.example\r\n"
        b"Final-Recipient: rfc822; petrova@digital.example\r\n"
        b"Action: delivered\r\nStatus: 2.1.5\r\n"
    ) in report
    assert b"Original-Envelope-Id: QQ1\r\n" in report
    assert b"sidorov" not in report
    assert b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nReceived: " in report
    assert TEXT in report
    assert len(await inbox(world, PETROVA)) == 2


async def test_the_duty_is_passed_on_or_kept(make_core: MakeCore) -> None:
    """A server with DSN gets the parameters; for one without, the report says "relayed"."""
    async with running_sink(Sink()) as sink:
        core, clock = await make_core(relay_routes=(route(sink),)), Clock()
        await enqueue(core, clock(), "x@other.example", notify=("SUCCESS",))
        await enqueue(core, clock() - 1, "y@other.example")
        await run(Relay(Delivery(core), clock))
    assert len(sink.messages) == 2
    [report] = await core_inbox(core, IVANOV)
    assert b"Final-Recipient: rfc822; x@other.example\r\nAction: relayed\r\nStatus: 2.6.0\r\n" in report


async def test_never_means_never(make_core: MakeCore) -> None:
    async with running_sink(Sink(answers={"x@other.example": "550 5.1.1 No"})) as sink:
        core, clock = await make_core(relay_routes=(route(sink),)), Clock()
        await enqueue(core, clock(), "x@other.example", notify=("NEVER",))
        await enqueue(core, clock() - 1, "x@other.example", notify=("SUCCESS", "DELAY"))
        await run(Relay(Delivery(core), clock))
    assert await queued(core) == []
    assert await core_inbox(core, IVANOV) == []


async def test_a_delay_is_told_once(make_core: MakeCore) -> None:
    async with running_sink(Sink(answers={"x@other.example": "450 4.2.1 Busy"})) as sink:
        core = await make_core(relay_routes=(route(sink),), queue_warning=600, queue_first_retry=300)
        clock = Clock()
        relay = Relay(Delivery(core), clock)
        await enqueue(core, clock(), "x@other.example")
        for wait in (0, 300, 600, 1200):
            assert await core_inbox(core, IVANOV) == [] or wait > 600
            clock.forward(wait)
            await run(relay)
        [warning] = await core_inbox(core, IVANOV)
    assert b"\r\nAction: delayed\r\nStatus: 4.2.1\r\n" in warning
    assert len(await queued(core)) == 1


async def test_a_lost_report_loses_nothing_else(make_core: MakeCore) -> None:
    """The sender's address is gone by the time: the row is finished all the same."""
    async with running_sink(Sink(answers={"x@other.example": "550 5.1.1 No"})) as sink:
        core, clock = await make_core(relay_routes=(route(sink),)), Clock()
        await enqueue(core, clock(), "x@other.example", sender="gone@digital.example")
        await run(Relay(Delivery(core), clock))
    assert await queued(core) == []


@pytest.mark.parametrize(
    ("of_person", "of_department", "subject"),
    [
        (None, None, "Письмо не доставлено / Undelivered mail"),
        ("en", None, "Undelivered mail"),
        (None, "ru", "Письмо не доставлено"),
        ("en", "ru", "Undelivered mail"),
        ("tlh", "ru", "Письмо не доставлено"),
    ],
)
async def test_a_report_speaks_its_readers_language(
    make_core: MakeCore, of_person: str | None, of_department: str | None, subject: str
) -> None:
    async with running_sink(Sink(answers={"x@other.example": "550 5.1.1 No"})) as sink:
        core, clock = await make_core(relay_routes=(route(sink),)), Clock()
        person = await core.directory.by_address(IVANOV)
        assert person is not None
        await core.directory.update(person.id, Change(data={"language": of_person}))
        await core.directory.update(person.department, Change(data={"language": of_department}))
        await enqueue(core, clock(), "x@other.example")
        await run(Relay(Delivery(core), clock))
    [raw] = await core_inbox(core, IVANOV)
    assert email.message_from_bytes(raw, policy=email.policy.default)["Subject"] == subject


async def test_what_was_protected_is_not_returned_whole(make_core: MakeCore) -> None:
    async with running_sink(Sink()) as sink:
        core, clock = await make_core(relay_routes=(route(sink),), queue_lifetime=60), Clock()
        await enqueue(core, clock(), "x@other.example", sender="a@b.example", needs_tls=True, returned="FULL")
        clock.forward(60)
        await run(Relay(Delivery(core), clock))
        [report] = await core.store.read(queue.scan)
    assert report.recipient == "a@b.example"
    assert report.data["tls"] is True  # RFC 8689 §5: the report is protected, too
    text = await core.store.blobs.read(report.blob)
    assert b"text/rfc822-headers" in text and b"Status: 4.7.5" in text
