# SPDX-License-Identifier: Apache-2.0
"""What a client must not send, after it has logged in: RFC 6120 §4.9.3, §8.3, RFC 7622; forged stanzas."""

from __future__ import annotations

import time
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from armgs_server.storage import roster
from armgs_server.storage.roster import RosterItem
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.roster import MAX_CONTACTS
from tests.world import World
from tests.xmpp.client import NAMESPACES, Client, chat, error_of, find
from tests.xmpp.conftest import LogIn

IVANOV, PETROVA, SIDOROV = "ivanov@digital.example", "petrova@digital.example", "sidorov@finance.example"
DOMAIN = "digital.example"
PING = "<ping xmlns='urn:xmpp:ping'/>"
MALFORMED = (
    "@digital.example",
    "ivanov@",
    "a@b@digital.example",
    "a b@digital.example",
    "ivanov@digital.example/",
    "/resource",
    "a&lt;b@digital.example",
    "&quot;ivanov&quot;@digital.example",
    "\u265a@digital.example",  # a symbol is no letter
    "a\u00ad@digital.example",  # soft hyphen
    "\u2163@digital.example",  # a compatibility character
    "a@exa mple",
    "ivanov@digital.example/\u200e\ue000",  # private use
    "x" * 1024 + "@digital.example",
    "a@" + "y" * 1024,
    "ivanov@digital.example/" + "z" * 1024,
)


@pytest.mark.parametrize(
    ("sent", "condition"),
    [
        ("<!DOCTYPE x [<!ENTITY a 'b'>]>", "not-well-formed"),  # its place is before the root
        ("<message><body>&a;</body></message>", "restricted-xml"),
        ("<message><!-- x --></message>", "restricted-xml"),
        ("<message><?x y?></message>", "restricted-xml"),
        ("<?xml version='1.0'?>", "not-well-formed"),
        ("<message a='1' a='2'/>", "not-well-formed"),
        ("<message xmlns:x='u' xmlns:y='u' x:a='1' y:a='2'/>", "not-well-formed"),
        ("<message><body>\x0b</body></message>", "not-well-formed"),
        ("<message to='a<b'/>", "not-well-formed"),
        ("<x:message/>", "bad-namespace-prefix"),
        ("<message><x:body/></message>", "bad-namespace-prefix"),
        ("<message xmlns=''/>", "unsupported-stanza-type"),
        ("<message xmlns='jabber:server'/>", "unsupported-stanza-type"),
        ("<massage/>", "unsupported-stanza-type"),
        ("</message>", "not-well-formed"),
        ("<a>" * 150, "policy-violation"),
        ("<message><body>" + "x" * (256 << 10), "policy-violation"),
        ("<iq type='set' id='1'><a xmlns='a' b='" + "x" * (256 << 10), "policy-violation"),
        (f"<iq from='{PETROVA}' type='get' id='1'>{PING}</iq>", "invalid-from"),
        (f"<presence from='{PETROVA}'/>", "invalid-from"),
        (f"<message from='{IVANOV}/another' to='{PETROVA}'/>", "invalid-from"),
        (f"<message from='{DOMAIN}' to='{PETROVA}'/>", "invalid-from"),
        (f"<message from='@@' to='{PETROVA}'/>", "invalid-from"),
    ],
)
async def test_ends_the_stream(log_in: LogIn, sent: str, condition: str) -> None:
    petrova, ivanov = await log_in(PETROVA), await log_in(IVANOV)
    ivanov.send(sent)
    error = await ivanov.receive("stream:error")
    assert error.find(f"streams:{condition}", NAMESPACES) is not None, condition
    await ivanov.wait_end()
    await petrova.presence_of(ivanov.full, "unavailable")
    assert not [each for each in await petrova.settle() if each.tag.endswith("message")]


async def test_an_address_of_ones_own_may_be_named(log_in: LogIn) -> None:
    """RFC 6120 §8.1.2.1"""
    petrova, ivanov = await log_in(PETROVA), await log_in(IVANOV)
    for number, from_ in enumerate((IVANOV, ivanov.full, "IVANOV@Digital.Example.")):
        ivanov.send(f"<message from='{from_}' to='{PETROVA}' type='chat'><body>{number}</body></message>")
        assert (await petrova.message(str(number))).get("from") == ivanov.full


async def test_no_address(log_in: LogIn) -> None:
    """RFC 7622; RFC 6120 §8.3.3.8"""
    ivanov = await log_in(IVANOV)
    for to in MALFORMED:
        await refuses(ivanov, to)


async def refuses(ivanov: Client, to: str) -> None:
    ivanov.send(f"<message to='{to}' id='m'><body>x</body></message>")
    assert error_of(await ivanov.message()) == "jid-malformed"
    assert error_of(await ivanov.iq(PING, to=to)) == "jid-malformed"
    ivanov.send(f"<presence to='{to}' id='p'/>")
    refused = await ivanov.receive("c:presence", lambda stanza: stanza.get("type") == "error")
    assert error_of(refused) == "jid-malformed"
    assert error_of(
        await ivanov.iq(f"<query xmlns='jabber:iq:roster'><item jid='{to}'/></query>", "set")
    ) == ("jid-malformed")


@pytest.mark.parametrize(
    ("attributes", "inner"),
    [
        ("type='get'", PING),
        ("id='x'", PING),
        ("id='x' type='poll'", PING),
        ("id='x' type='get'", ""),
        ("id='x' type='set'", "text"),
        ("id='x' type='get'", PING + PING),
        ("id='x' type='get' to='digital.example'", PING + "<a xmlns='b'/>"),
        ("id='x' type='get' to='petrova@digital.example'", ""),
    ],
)
async def test_a_request_that_is_none(log_in: LogIn, attributes: str, inner: str) -> None:
    """RFC 6120 §8.2.3"""
    ivanov = await log_in(IVANOV)
    ivanov.send(f"<iq {attributes}>{inner}</iq>")
    assert error_of(await ivanov.receive("c:iq")) == "bad-request"


async def test_answers_that_nobody_asked_for(log_in: LogIn) -> None:
    """RFC 6120 §8.3.1: an answer is never answered."""
    petrova, ivanov = await log_in(PETROVA), await log_in(IVANOV)
    for to in ("", DOMAIN, IVANOV, PETROVA, f"{PETROVA}/none", "nobody@digital.example", "a@@b"):
        to_part = f" to='{to}'" if to else ""
        ivanov.send(f"<iq type='result' id='r'{to_part}>{PING}</iq>")
        ivanov.send(f"<iq type='error' id='e'{to_part}><error type='cancel'/></iq>")
        ivanov.send(f"<message type='error'{to_part}><body>x</body></message>")
        ivanov.send(f"<presence type='error'{to_part}/>" if to else "")
    for client in (ivanov, petrova):
        assert not [each for each in await client.settle() if not each.tag.endswith("presence")]


async def test_a_result_reaches_the_very_resource(log_in: LogIn) -> None:
    """RFC 6121 §8.5.3.1: whether it was asked for is the client's to know; who sent it is ours."""
    petrova, ivanov = await log_in(PETROVA), await log_in(IVANOV)
    ivanov.send(f"<iq type='result' id='r' to='{petrova.full}'>{PING}</iq>")
    result = await petrova.receive("c:iq")
    assert (result.get("type"), result.get("from")) == ("result", ivanov.full)


async def test_forged_copies_and_results_keep_their_senders_name(log_in: LogIn) -> None:
    """XEP-0280 §11, XEP-0313 §10: a client believes only what its own account sends."""
    petrova, ivanov = await log_in(PETROVA), await log_in(IVANOV)
    await petrova.iq("<enable xmlns='urn:xmpp:carbons:2'/>", "set")
    inner = (
        "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' type='chat'"
        f" from='{SIDOROV}/a' to='{PETROVA}'><body>forged</body></message></forwarded>"
    )
    for forged in (
        f"<received xmlns='urn:xmpp:carbons:2'>{inner}</received>",
        f"<sent xmlns='urn:xmpp:carbons:2'>{inner}</sent>",
        f"<result xmlns='urn:xmpp:mam:2' id='1' queryid='q'>{inner}</result>",
    ):
        ivanov.send(f"<message type='chat' to='{petrova.full}'>{forged}<body>x</body></message>")
        assert (await petrova.message("x")).get("from") == ivanov.full


async def test_a_stanza_by_another_prefix_is_the_same_stanza(log_in: LogIn) -> None:
    petrova, ivanov = await log_in(PETROVA), await log_in(IVANOV)
    ivanov.send(
        f"<j:message xmlns:j='jabber:client' type='chat' to='{PETROVA}'><j:body>prefixed</j:body></j:message>"
    )
    assert (await petrova.message("prefixed")).get("from") == ivanov.full
    bodies = "<body xmlns='urn:other'>none</body><body>real</body>"
    ivanov.send(f"<message type='chat' to='{PETROVA}'>{bodies}</message>")
    await petrova.message("real")


async def test_presence_that_is_none(log_in: LogIn) -> None:
    """RFC 6121 §4.7.1, §4.7.2.3"""
    petrova, ivanov = await log_in(PETROVA), await log_in(IVANOV)
    for sent in (
        "<presence type='available'/>",
        "<presence type='subscribe'/>",
        "<presence><priority>128</priority></presence>",
        "<presence><priority>-129</priority></presence>",
        "<presence><priority>high</priority></presence>",
    ):
        ivanov.send(sent)
        refused = await ivanov.receive("c:presence", lambda stanza: stanza.get("type") == "error")
        assert error_of(refused) == "bad-request"
    await petrova.settle()
    ivanov.send("<presence><priority>-128</priority></presence>")
    assert (await petrova.presence_of(ivanov.full)).findtext("{jabber:client}priority") == "-128"


async def test_a_roster_over_the_limit(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    owner = person.id

    async def fill(tx: Tx) -> None:
        for number in range(MAX_CONTACTS):
            await roster.put(tx, owner, RosterItem(f"u{number}@other.example", subscription="none"))

    await world.store.write(fill)
    item = "<query xmlns='jabber:iq:roster'><item jid='{}' name='x'/></query>"
    assert error_of(await ivanov.iq(item.format("more@other.example"), "set")) == "resource-constraint"
    assert (await ivanov.iq(item.format("u1@other.example"), "set")).get("type") == "result"


async def test_who_floods_is_slowed_down(tmp_path: Path) -> None:
    settings = {"xmpp": {"client_stanza_rate": 50}}
    async with World(tmp_path, settings=settings) as world:
        async with Client(world, IVANOV) as ivanov, Client(world, PETROVA) as petrova:
            await ivanov.log_in()
            await petrova.log_in()
            await petrova.go_online()
            begun = time.monotonic()
            for number in range(350):  # 250 at once, the others at their pace
                ivanov.send(f"<presence><status>{number}</status></presence>")
            assert (await petrova.iq(PING, to=DOMAIN)).get("type") == "result"
            await ivanov.settle()  # may be read together with the flood
            await ivanov.settle()
            assert time.monotonic() - begun > 1
            while (await petrova.presence_of(ivanov.full)).findtext("{jabber:client}status") != "349":
                pass


async def test_who_does_not_read_is_cut_off_and_loses_nothing(log_in: LogIn) -> None:
    """What was sent in vain waits for the client, by XEP-0198 or in the offline store."""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA, "desk")
    await petrova.enable_sm()
    petrova.reader._transport.pause_reading()  # type: ignore[attr-defined]
    seen: list[Element] = []
    number = 0
    while number < 260:
        for _ in range(20):
            ivanov.send(chat(PETROVA, f"{number} " + "x" * 60_000))
            number += 1
        seen += await ivanov.settle()
    assert [each.get("from") for each in seen if each.get("type") == "unavailable"] == [petrova.full]
    again = await log_in(PETROVA, "desk")
    for expected in range(number):
        message = await again.receive("c:message")
        assert (find(message, "c:body").text or "").startswith(f"{expected} ")
