# SPDX-License-Identifier: Apache-2.0
"""smtp/relay.py against aiosmtpd: attempts, retries by a turned clock, reports, bounds; two daemons."""

from __future__ import annotations

import asyncio
import email
import email.policy
from pathlib import Path

import pytest

from armgs_server.smtp import relay as relay_module
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.relay import LARGE_AT_ONCE, LEASE, Relay
from armgs_server.storage import accounts, queue
from tests.smtp.client import Client, wait_for_mail
from tests.smtp.conftest import MakeCore
from tests.smtp.relaying import SECOND, TEXT, Clock, enqueue, inbox, queued, route, run
from tests.smtp.sink import Sink, running_sink
from tests.world import IVANOV, PETROVA, World


async def test_a_message_leaves_without_its_return_path(make_core: MakeCore) -> None:
    async with running_sink(Sink()) as sink:
        core, clock = await make_core(relay_routes=(route(sink),)), Clock()
        await enqueue(core, clock(), "x@other.example", "y@other.example")
        await run(Relay(Delivery(core), clock))
    [envelope] = sink.messages  # one transaction for both
    assert envelope.mail_from == IVANOV
    assert envelope.rcpt_tos == ["x@other.example", "y@other.example"]
    assert envelope.content == TEXT
    assert await queued(core) == []
    size = len(f"Return-Path: <{IVANOV}>\r\n") + len(TEXT)
    assert await core.store.read(lambda tx: tx.value("SELECT refs FROM blob WHERE size = ?", size)) == 0
    assert await inbox(core, IVANOV) == []  # success is not reported


async def test_a_refused_recipient_is_reported(make_core: MakeCore) -> None:
    answers = {"gone@other.example": "550 5.1.1 No such person"}
    async with running_sink(Sink(answers=answers)) as sink:
        core, clock = await make_core(relay_routes=(route(sink),)), Clock()
        await enqueue(core, clock(), "gone@other.example", "x@other.example")
        await run(Relay(Delivery(core), clock))
    assert [envelope.rcpt_tos for envelope in sink.messages] == [["x@other.example"]]
    assert await queued(core) == []
    [raw] = await inbox(core, IVANOV)
    assert raw.startswith(b"Return-Path: <>\r\n")
    report = email.message_from_bytes(raw, policy=email.policy.default)
    assert report["From"].addresses[0].addr_spec == "postmaster@digital.example"
    assert report["To"] == IVANOV
    assert report["Subject"] == "Письмо не доставлено / Undelivered mail"
    assert report["Auto-Submitted"] == "auto-replied"
    assert report.get_content_type() == "multipart/report"
    assert report["Content-Type"].params["report-type"] == "delivery-status"
    text, status, returned = report.iter_parts()
    assert "Ваше письмо не удалось доставить" in text.get_content()
    assert "<gone@other.example>" in text.get_content()
    message, recipient = status.iter_parts()
    assert message["Reporting-MTA"] == "dns; mx.digital.example"
    assert dict(recipient.items()) == {
        "Final-Recipient": "rfc822; gone@other.example",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; 127.0.0.1",
        "Diagnostic-Code": "smtp; 550 5.1.1 No such person",
    }
    assert returned.get_content_type() == "text/rfc822-headers"
    assert "Subject: =?utf-8?b?0J/RgNC40LLQtdGC?=" in returned.get_content()


async def test_a_passing_failure_is_tried_again_ever_later_and_given_up(make_core: MakeCore) -> None:
    async with running_sink(Sink(answers={"x@other.example": "450 4.2.1 Busy"})) as sink:
        core = await make_core(
            relay_routes=(route(sink),), queue_first_retry=300, queue_longest_retry=1000, queue_lifetime=3000
        )
        clock = Clock()
        relay = Relay(Delivery(core), clock, chance=lambda: 0.0)
        await enqueue(core, clock(), "x@other.example")
        await run(relay)
        assert await queued(core) == [("x@other.example", 1, "450 4.2.1 Busy")]
        for wait, attempts in ((300, 2), (600, 3), (1000, 4), (1000, 5)):
            clock.forward(wait - 1)
            await run(relay)
            assert (await queued(core))[0][1] == attempts - 1, "too early"
            clock.forward(1)
            await run(relay)
            assert (await queued(core))[0][1] == attempts
        clock.forward(1000)
        await run(relay)  # 3900 seconds have passed
        assert await queued(core) == []
    [raw] = await inbox(core, IVANOV)
    assert b"\r\nAction: failed\r\nStatus: 4.2.1\r\n" in raw
    assert sink.messages == []


async def test_success_after_a_failure(make_core: MakeCore) -> None:
    sink = Sink(text_answer="451 4.3.0 Later")
    async with running_sink(sink):
        core, clock = await make_core(relay_routes=(route(sink),)), Clock()
        relay = Relay(Delivery(core), clock)
        await enqueue(core, clock(), "x@other.example")
        await run(relay)
        assert await queued(core) == [("x@other.example", 1, "451 4.3.0 Later")]
        sink.text_answer = "250 OK"
        clock.forward(300)
        await run(relay)
    assert len(sink.messages) == 1
    assert await queued(core) == []


async def test_a_report_is_never_reported(make_core: MakeCore) -> None:
    async with running_sink(Sink(answers={"x@other.example": "550 5.1.1 No"})) as sink:
        core, clock = await make_core(relay_routes=(route(sink),)), Clock()
        await enqueue(core, clock(), "x@other.example", sender="")
        await run(Relay(Delivery(core), clock))
    assert await queued(core) == []
    assert await core.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM message")) == 0


async def test_a_report_for_a_stranger_leaves_by_the_queue(make_core: MakeCore) -> None:
    answers = {"x@other.example": "550 5.1.1 No"}
    async with running_sink(Sink(answers=answers)) as sink:
        routes = (route(sink), route(sink, "third.example"))
        core, clock = await make_core(relay_routes=routes), Clock()
        await enqueue(core, clock(), "x@other.example", sender="author@third.example")
        relay = Relay(Delivery(core), clock)
        await run(relay)
        await run(relay)
    [envelope] = sink.messages
    assert (envelope.mail_from, envelope.rcpt_tos) == ("<>", ["author@third.example"])
    assert isinstance(envelope.content, bytes)
    assert envelope.content.startswith(b"From: ")  # without Return-Path:
    assert await queued(core) == []


async def test_a_report_waits_for_a_full_mailbox(make_core: MakeCore) -> None:
    async with running_sink(Sink(answers={"x@other.example": "550 5.1.1 No"})) as sink:
        core, clock = await make_core(relay_routes=(route(sink),)), Clock()
        ivanov = await core.directory.by_address(IVANOV)
        assert ivanov is not None
        owner = ivanov.id
        await core.store.write(lambda tx: accounts.set_quota(tx, owner, 1))
        await enqueue(core, clock(), "x@other.example")
        relay = Relay(Delivery(core), clock)
        await run(relay)
        assert [row[0] for row in await queued(core)] == [IVANOV]
        await core.store.write(lambda tx: accounts.set_quota(tx, owner, 0))
        clock.forward(300)
        await run(relay)
    assert await queued(core) == []
    assert len(await inbox(core, IVANOV)) == 1


async def test_nobody_answers(make_core: MakeCore) -> None:
    async with running_sink(Sink()) as sink:
        pass  # its port is closed now
    core, clock = await make_core(relay_routes=(route(sink),)), Clock()
    await enqueue(core, clock(), "x@other.example")
    await run(Relay(Delivery(core), clock))
    [(recipient, attempts, error)] = await queued(core)
    assert (recipient, attempts) == ("x@other.example", 1)
    assert "127.0.0.1" in error


async def test_a_worker_that_dies_leaves_its_rows_to_others(make_core: MakeCore) -> None:
    async with running_sink(Sink()) as sink:
        core, clock = await make_core(relay_routes=(route(sink),)), Clock()
        await enqueue(core, clock(), "x@other.example")
        await core.store.write(lambda tx: queue.claim(tx, clock(), LEASE, 10))  # and then it is killed
        relay = Relay(Delivery(core), clock)
        assert await relay.run_once() == 0
        clock.forward(LEASE / SECOND)
        await run(relay)
    assert len(sink.messages) == 1
    assert await queued(core) == []


async def test_a_worker_that_stops_gives_its_rows_back(make_core: MakeCore) -> None:
    sink = Sink(hold=asyncio.Event())
    async with running_sink(sink):
        core, clock = await make_core(relay_routes=(route(sink),)), Clock()
        await enqueue(core, clock(), "x@other.example")
        stopping = Relay(Delivery(core), clock)
        assert await stopping.run_once() == 1
        await stopping.stop()
        assert sink.hold is not None
        sink.hold.set()
        await run(Relay(Delivery(core), clock))
    assert await queued(core) == []
    assert sink.messages[-1].rcpt_tos == ["x@other.example"]


async def test_a_lease_is_renewed_while_a_server_is_slow(
    make_core: MakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "RENEWAL", 0.01)
    sink = Sink(hold=asyncio.Event())
    async with running_sink(sink):
        core, clock = await make_core(relay_routes=(route(sink),)), Clock()
        await enqueue(core, clock(), "x@other.example")
        relay = Relay(Delivery(core), clock)
        await relay.run_once()
        clock.forward(LEASE / SECOND - 1)
        until = clock() + LEASE
        async with asyncio.timeout(10):
            while await core.store.read(queue.next_due) != until:
                await asyncio.sleep(0.01)
        assert sink.hold is not None
        sink.hold.set()
        await relay.settled()
    assert len(sink.messages) == 1


async def test_a_fault_of_our_own_is_a_failure_that_may_pass(
    make_core: MakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    core, clock = await make_core(queue_lifetime=600, queue_first_retry=300), Clock()
    relay = Relay(Delivery(core), clock)
    await enqueue(core, clock(), "x@other.example")
    monkeypatch.setattr("armgs_server.smtp.attempt.Attempts.deliver", fail)
    await run(relay)
    assert await queued(core) == [("x@other.example", 1, "the attempt failed on this server")]
    clock.forward(600)
    await run(relay)
    assert await queued(core) == []
    [report] = await inbox(core, IVANOV)
    assert b"Status: 4.3.0" in report


async def test_few_at_once_to_one_domain(make_core: MakeCore) -> None:
    sink = Sink(hold=asyncio.Event())
    async with running_sink(sink):
        core = await make_core(relay_routes=(route(sink),), queue_parallel=10, queue_parallel_per_domain=2)
        clock = Clock()
        for number in range(5):
            text = b"Subject: %d\r\n\r\n" % number
            await enqueue(core, clock(), "x@other.example", text=text)
        relay = Relay(Delivery(core), clock)
        assert await relay.run_once() == 5
        async with asyncio.timeout(10):
            while sink.most_at_once < 2:
                await asyncio.sleep(0.01)
        assert sink.hold is not None
        assert sink.messages == []
        sink.hold.set()
        await relay.settled()  # the others go as soon as there is a place
        assert len(sink.messages) == 5
        assert sink.most_at_once == 2
    assert await queued(core) == []


async def test_what_waits_for_a_place_is_given_back_at_the_stop(make_core: MakeCore) -> None:
    sink = Sink(hold=asyncio.Event())
    async with running_sink(sink):
        core = await make_core(relay_routes=(route(sink),), queue_parallel_per_domain=1)
        clock = Clock()
        for number in range(3):
            await enqueue(core, clock(), "x@other.example", text=b"Subject: %d\r\n\r\n" % number)
        relay = Relay(Delivery(core), clock)
        assert await relay.run_once() == 3
        await relay.stop()
        again = await core.store.write(lambda tx: queue.claim(tx, clock(), SECOND, 10))
        assert len(again) == 3


async def test_large_messages_go_a_few_at_a_time(make_core: MakeCore) -> None:
    sink = Sink(hold=asyncio.Event())
    async with running_sink(sink):
        core, clock = await make_core(relay_routes=(route(sink, "*"),)), Clock()
        for number in range(LARGE_AT_ONCE + 2):
            text = b"Subject: %d\r\n\r\n" % number + (b"x" * 70 + b"\r\n") * 20_000
            await enqueue(core, clock(), f"x@d{number}.example", text=text)
        relay = Relay(Delivery(core), clock)
        assert await relay.run_once() == LARGE_AT_ONCE + 2
        async with asyncio.timeout(10):
            while sink.most_at_once < LARGE_AT_ONCE:
                await asyncio.sleep(0.01)
        assert sink.hold is not None
        sink.hold.set()
        await relay.settled()
    assert len(sink.messages) == LARGE_AT_ONCE + 2
    assert sink.most_at_once == LARGE_AT_ONCE


@pytest.mark.parametrize(("mode", "sent"), [("opportunistic", True), ("required", False), ("none", True)])
async def test_tls(make_core: MakeCore, world: World, mode: str, sent: bool) -> None:
    """A certificate nobody knows: good enough where encryption is a gift, not where it is required."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.path / "tls" / "server.crt", world.path / "tls" / "server.key")
    async with running_sink(Sink(), tls=context) as sink:
        core, clock = await make_core(relay_routes=(route(sink),), relay_tls=mode), Clock()
        await enqueue(core, clock(), "x@other.example")
        await run(Relay(Delivery(core), clock))
    assert sink.tls == ([mode == "opportunistic"] if sent else [])
    assert bool(await queued(core)) is not sent


async def test_utf8_addresses_need_a_server_that_takes_them(make_core: MakeCore) -> None:
    async with running_sink(Sink(), utf8=False) as old, running_sink(Sink()) as new:
        routes = (route(old, "old.example"), route(new, "new.example"), route(old, "пример.рф"))
        core, clock = await make_core(relay_routes=routes), Clock()
        await enqueue(core, clock(), "иван@old.example", needs_utf8=True)
        await enqueue(core, clock(), "иван@new.example", needs_utf8=True)
        # An ASCII local part: A-labels will do; and it is the same address in both spellings.
        await enqueue(core, clock(), "ivan@пример.рф", "ivan@xn--e1afmkfd.xn--p1ai")
        await run(Relay(Delivery(core), clock))
    assert [envelope.rcpt_tos for envelope in new.messages] == [["иван@new.example"]]
    assert [envelope.rcpt_tos for envelope in old.messages] == [["ivan@xn--e1afmkfd.xn--p1ai"]]
    [raw] = await inbox(core, IVANOV)
    assert b"message/global-delivery-status" in raw
    assert "Final-Recipient: utf-8; иван@old.example".encode() in raw
    assert b"Status: 5.6.7" in raw


async def test_two_daemons(tmp_path: Path) -> None:
    """From a person here to a person there, and the report of one who is not there."""
    async with World(tmp_path / "there") as there:
        await there.directory.create_department("Other", ["other.example"])
        await there.directory.create_person("friend@other.example")
        routes = [f"other.example=127.0.0.1:{there.ports['smtp']}"]
        async with World(tmp_path / "here", settings={"smtp": {"relay_routes": routes}}) as here:
            async with Client(here, "submission") as client:
                await client.ehlo()
                await client.login(IVANOV)
                recipients = ("friend@other.example", "nobody@other.example", PETROVA)
                assert (await client.mail(IVANOV, *recipients, text=TEXT.replace(b".dot", b"x"))).startswith(
                    "250 "
                )
            [message] = await wait_for_mail(there, "friend@other.example")
            [report] = await wait_for_mail(here, IVANOV)
            [copy] = await wait_for_mail(here, PETROVA)
    assert message.startswith(f"Return-Path: <{IVANOV}>\r\nReceived: from localhost ".encode())
    assert b" with ESMTPS id " in message  # opportunistic TLS between them
    assert message.endswith(TEXT.replace(b".dot", b"x"))
    assert message.count(b"Return-Path:") == copy.count(b"Return-Path:") == 1
    assert b"<nobody@other.example>" not in report.partition(b"Final-Recipient")[0]  # text part is base64
    assert b"Final-Recipient: rfc822; nobody@other.example\r\nAction: failed\r\nStatus: 5.1.1" in report


async def test_what_is_cancelled_comes_back(make_core: MakeCore) -> None:
    async with running_sink(Sink()) as sink:
        core, clock = await make_core(relay_routes=(route(sink),)), Clock()
        await enqueue(core, clock(), "x@other.example", "y@other.example")
        first, _ = await core.store.read(queue.scan)
        await core.store.write(lambda tx: queue.annotate(tx, first, {**first.data, "cancelled": True}))
        await run(Relay(Delivery(core), clock))
    assert [envelope.rcpt_tos for envelope in sink.messages] == [["y@other.example"]]
    [raw] = await inbox(core, IVANOV)
    assert b"\r\nFinal-Recipient: rfc822; x@other.example\r\nAction: failed\r\nStatus: 5.7.1\r\n" in raw


async def test_waits_differ_by_chance(make_core: MakeCore) -> None:
    async with running_sink(Sink(answers={"x@other.example": "450 4.2.1 Busy"})) as sink:
        core, clock = await make_core(relay_routes=(route(sink),), queue_first_retry=300), Clock()
        await enqueue(core, clock(), "x@other.example")
        await run(Relay(Delivery(core), clock, chance=lambda: 0.5))
    [entry] = await core.store.read(queue.scan)
    assert entry.next_attempt == clock() + 270 * SECOND


async def test_it_stops_though_it_was_just_told_of_mail(make_core: MakeCore) -> None:
    core = await make_core()
    for turns in range(4):  # the waiter has been woken, and its task has not run yet
        relay = Relay(Delivery(core))
        await relay.start()
        await asyncio.sleep(0.1)  # it has seen that the queue is empty
        core.store.bus.publish(queue.TOPIC, b"")
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await relay.stop()
