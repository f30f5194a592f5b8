# SPDX-License-Identifier: Apache-2.0
"""smtp/parameters.py: parameters of MAIL and RCPT over a socket."""

from __future__ import annotations

import pytest

from tests.smtp.client import Client
from tests.world import IVANOV, PETROVA, World


@pytest.mark.parametrize(
    ("parameters", "answer"),
    [
        ("", "250 2.1.0"),
        ("SIZE=1000 BODY=8BITMIME SMTPUTF8", "250 2.1.0"),
        ("body=7bit", "250 2.1.0"),
        ("AUTH=<>", "250 2.1.0"),
        ("RET=HDRS ENVID=QQ+2B314159", "250 2.1.0"),
        ("SIZE", "501 5.5.4"),
        ("SIZE=-1", "501 5.5.4"),
        ("SIZE=999999999999", "552 5.3.4"),
        ("BODY", "501 5.5.4"),
        ("SMTPUTF8=1", "501 5.5.4"),
        ("RET=SOME", "501 5.5.4"),
        ("ENVID=a+b", "501 5.5.4"),
        ("ENVID=" + "x" * 101, "501 5.5.4"),
        ("X-OTHER=3", "555 5.5.4"),
    ],
)
async def test_mail(world: World, parameters: str, answer: str) -> None:
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(IVANOV)
        await client.expect(f"MAIL FROM:<{IVANOV}> {parameters}", answer)


@pytest.mark.parametrize(
    ("parameters", "answer"),
    [
        ("NOTIFY=NEVER", "250 2.1.5"),
        ("NOTIFY=success,failure,delay ORCPT=rfc822;petrova@digital.example", "250 2.1.5"),
        ("NOTIFY=NEVER,SUCCESS", "501 5.5.4"),
        ("NOTIFY=ALWAYS", "501 5.5.4"),
        ("NOTIFY", "501 5.5.4"),
        ("ORCPT=petrova@digital.example", "501 5.5.4"),
        ("ORCPT=rfc822;" + "x" * 500, "501 5.5.4"),
        ("SIZE=1", "555 5.5.4"),
    ],
)
async def test_rcpt(world: World, parameters: str, answer: str) -> None:
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(IVANOV)
        await client.expect(f"MAIL FROM:<{IVANOV}>", "250 ")
        await client.expect(f"RCPT TO:<{PETROVA}> {parameters}", answer)


async def test_strangers_may_ask_for_reports_but_do_not_say_who_submitted_it(world: World) -> None:
    async with Client(world) as client:
        await client.ehlo()
        await client.expect("MAIL FROM:<a@b.example> RET=HALF", "501 5.5.4 ")
        await client.expect("MAIL FROM:<a@b.example> AUTH=<>", "555 5.5.4 ")
        await client.expect("MAIL FROM:<a@b.example> RET=FULL ENVID=1", "250 ")
        await client.expect(f"RCPT TO:<{PETROVA}> NOTIFY=NEVER,SUCCESS", "501 5.5.4 ")
        await client.expect(f"RCPT TO:<{PETROVA}> NOTIFY=SUCCESS ORCPT=rfc822;a@b", "250 ")
