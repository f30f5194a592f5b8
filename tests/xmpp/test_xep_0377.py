# SPDX-License-Identifier: Apache-2.0
"""Reports that come with a block are in the log, without what the person wrote; the block holds."""

from __future__ import annotations

import logging

import pytest

from tests.world import IVANOV, PETROVA
from tests.xmpp.client import chat, error_of
from tests.xmpp.conftest import LogIn


def block(report: str) -> str:
    return f"<block xmlns='urn:xmpp:blocking'><item jid='{IVANOV}'>{report}</item></block>"


async def test_a_report_is_logged_and_the_block_holds(
    log_in: LogIn, caplog: pytest.LogCaptureFixture
) -> None:
    petrova, ivanov = await log_in(PETROVA), await log_in(IVANOV)
    report = (
        "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>"
        f"<stanza-id xmlns='urn:xmpp:sid:0' by='{PETROVA}' id='4711'/><text>secret words</text></report>"
    )
    with caplog.at_level(logging.WARNING):
        assert (await petrova.iq(block(report), "set")).get("type") == "result"
    (fields,) = (record.__dict__["fields"] for record in caplog.records if record.message == "reported")
    assert fields == {
        "by": PETROVA,
        "jid": IVANOV,
        "reason": "urn:xmpp:reporting:spam",
        "messages": "4711",
    }
    ivanov.send(chat(PETROVA, "hello"))
    assert error_of(await ivanov.message()) == "service-unavailable"


async def test_a_report_without_a_reason_blocks_nobody(log_in: LogIn) -> None:
    petrova, ivanov = await log_in(PETROVA), await log_in(IVANOV)
    answer = await petrova.iq(block("<report xmlns='urn:xmpp:reporting:1'/>"), "set")
    assert error_of(answer) == "bad-request"
    ivanov.send(chat(PETROVA, "still here"))
    await petrova.message("still here")


async def test_it_is_announced(log_in: LogIn) -> None:
    petrova = await log_in(PETROVA)
    info = await petrova.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to="digital.example")
    features = {each.get("var") for each in info.iter("{http://jabber.org/protocol/disco#info}feature")}
    assert features >= {"urn:xmpp:reporting:1", "urn:xmpp:extdisco:2"}
