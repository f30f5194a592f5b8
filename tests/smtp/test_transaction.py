# SPDX-License-Identifier: Apache-2.0
"""smtp/transaction.py: what the header decides, and what is written above it, without a socket."""

from __future__ import annotations

import pytest

from armgs_server.errors import OverQuota
from armgs_server.formats.addresses import Address
from armgs_server.service import Core
from armgs_server.smtp import policy, replies
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.policy import Recipient
from armgs_server.smtp.replies import Reply
from armgs_server.smtp.transaction import Transaction
from armgs_server.storage import accounts
from armgs_server.trust.model import Arrival, Refusal, Verdict
from tests.smtp.conftest import MakeCore
from tests.smtp.relaying import inbox
from tests.world import IVANOV, PETROVA

OUTSIDE = Address("x", "y.example")


async def send(
    core: Core, text: bytes, *recipients: str, sender: Address = OUTSIDE, own: bool = False
) -> Reply:
    author = await core.directory.by_address(IVANOV) if own else None
    transaction = Transaction(Delivery(core), sender, author)
    for recipient in recipients:
        found = await policy.find_recipient(core, Address(*recipient.split("@")), may_relay=own)
        assert isinstance(found, Recipient)
        transaction.recipients.append(found)
    body = transaction.begin("client.example", "192.0.2.1", "ESMTP")
    await body.write(text)
    return await transaction.finish()


async def test_the_reply_names_the_id_in_received(make_core: MakeCore) -> None:
    core = await make_core()
    answer = await send(core, b"Subject: x\r\n\r\n", PETROVA)
    assert answer.code == 250
    number = answer.lines[0].removeprefix("Message taken, id ")
    [message] = await inbox(core, PETROVA)
    assert f"\tby mx.digital.example with ESMTP id {number}\r\n".encode() in message


@pytest.mark.parametrize("text", [b"", b"\r\n", b"no header at all\r\n", b"\xff\x00\r\n"])
async def test_any_text_is_a_message_from_outside(make_core: MakeCore, text: bytes) -> None:
    core = await make_core()
    assert (await send(core, text, PETROVA)).code == 250
    [message] = await inbox(core, PETROVA)
    assert message.endswith(b"+0000\r\n" + text)


async def test_an_author_writes_under_an_own_name(make_core: MakeCore) -> None:
    core = await make_core()
    sender = Address(*IVANOV.split("@"))
    forged = f"From: {PETROVA}\r\n\r\n".encode()
    assert await send(core, forged, PETROVA, sender=sender, own=True) == replies.NOT_YOUR_HEADER_554
    assert (await send(core, forged, PETROVA)).code == 250  # from outside, headers prove nothing anyway
    assert (await send(core, b"Subject: x\r\n\r\n", PETROVA, sender=sender, own=True)).code == 250


async def test_a_full_mailbox_refuses_for_now(make_core: MakeCore) -> None:
    core = await make_core()
    petrova = await core.directory.by_address(PETROVA)
    assert petrova is not None
    owner = petrova.id
    await core.store.write(lambda tx: accounts.set_quota(tx, owner, 10))
    transaction = Transaction(Delivery(core), OUTSIDE, None)
    transaction.recipients.append(Recipient(PETROVA, "digital.example", (owner,)))
    await transaction.begin("client.example", "192.0.2.1", "ESMTP").write(b"Subject: x\r\n\r\n")
    with pytest.raises(OverQuota):
        await transaction.finish()
    assert await inbox(core, PETROVA) == []


async def judged(core: Core, verdict: Verdict, seen: list[Arrival]) -> Reply:
    async def judge(arrival: Arrival) -> Verdict:
        seen.append(arrival)
        return verdict

    transaction = Transaction(Delivery(core, judge), OUTSIDE, None)
    found = await policy.find_recipient(core, Address(*PETROVA.split("@")), may_relay=False)
    assert isinstance(found, Recipient)
    transaction.recipients.append(found)
    body = transaction.begin("client.example", "192.0.2.1", "ESMTPS")
    await body.write(b"Subject: x\r\n\r\nbody")
    return await transaction.finish()


async def test_mail_from_outside_is_judged_and_marked(make_core: MakeCore) -> None:
    core = await make_core()
    seen: list[Arrival] = []
    verdict = Verdict(fields=b"Authentication-Results: mx.digital.example; none\r\n", is_junk=True)
    assert (await judged(core, verdict, seen)).code == 250
    [arrival] = seen
    assert (arrival.peer, arrival.helo, arrival.is_tls) == ("192.0.2.1", "client.example", True)
    assert (arrival.sender, arrival.recipients) == ("x@y.example", (PETROVA,))
    assert (arrival.text, arrival.header_size) == (b"Subject: x\r\n\r\nbody", 14)
    assert await inbox(core, PETROVA) == []
    [message] = await inbox(core, PETROVA, role="junk")
    assert message.startswith(
        b"Return-Path: <x@y.example>\r\nAuthentication-Results: mx.digital.example; none\r\nReceived: from "
    )


async def test_mail_that_is_not_wanted_is_refused_as_the_verdict_says(make_core: MakeCore) -> None:
    core = await make_core()
    answer = await judged(core, Verdict(refusal=Refusal(550, "5.7.1", "no")), [])
    assert (answer.code, answer.enhanced, answer.lines) == (550, "5.7.1", ("no",))
    assert await inbox(core, PETROVA) == []
