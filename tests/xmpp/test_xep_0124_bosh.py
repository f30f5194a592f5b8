# SPDX-License-Identifier: Apache-2.0
"""XEP-0124, XEP-0206: named people over BOSH, with others on TCP watching; order, repeats, limits."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from armgs_server.config import LimitSettings, XmppSettings
from armgs_server.xmpp.xeps.xep_0124_bosh import BoshSession
from armgs_server.xmpp.xeps.xep_0124_bosh_body import parse_body
from tests.world import IVANOV, PETROVA, World
from tests.xmpp.bosh_client import BoshClient, body, exchange, post, taken
from tests.xmpp.client import NAMESPACES, TIMEOUT, Client, chat
from tests.xmpp.conftest import LogIn

DOMAIN = "digital.example"


@pytest.fixture
async def ivanov(world: World) -> AsyncIterator[BoshClient]:
    async with BoshClient(world, IVANOV, "web") as client:
        await client.connect()
        yield client


async def online(client: BoshClient) -> BoshClient:
    await client.negotiate()
    await client.go_online()
    return client


async def create(world: World, rid: int = 100, **attributes: object) -> str:
    """A session; its `sid`."""
    return (await post(world, rid=rid, to=DOMAIN, wait=30, hold=1, **attributes)).get("sid", "")


def condition(answer: Element) -> str | None:
    assert answer.get("type") == "terminate", answer.attrib
    return answer.get("condition")


async def test_a_page_talks_with_a_desk(ivanov: BoshClient, log_in: LogIn) -> None:
    petrova = await log_in(PETROVA, "desk")
    await online(ivanov)
    petrova.send(chat(ivanov.full, "привет"))
    assert (await ivanov.message("привет")).get("from") == petrova.full
    ivanov.send(chat(petrova.full, "здравствуйте"))
    assert (await petrova.message("здравствуйте")).get("from") == ivanov.full
    for number in range(20):
        petrova.send(chat(ivanov.full, f"{number}"))
    assert [(await ivanov.message()).findtext("c:body", "", NAMESPACES) for _ in range(20)] == [
        f"{number}" for number in range(20)
    ]
    await ivanov.terminate()
    assert ivanov.ended == {"type": "terminate"}
    await petrova.presence_of(ivanov.full, "unavailable")


async def test_the_first_answer(world: World) -> None:
    """§7.2, XEP-0206 §4."""
    answer = await post(world, rid=5, to=DOMAIN, wait=600, hold=5, ver="1.6", ack=1, content="text/html")
    assert answer.get("wait") == "60"
    assert (answer.get("hold"), answer.get("requests")) == ("1", "2")
    assert (answer.get("inactivity"), answer.get("maxpause"), answer.get("ack")) == ("60", "120", "5")
    assert answer.get("{urn:xmpp:xbosh}restartlogic") == "true"
    features = answer.find("stream:features", NAMESPACES)
    assert features is not None and features.find("tls:starttls", NAMESPACES) is None
    status, headers, _ = await exchange(world, body("", rid=1, to=DOMAIN, content="text/html"))
    assert (status, headers["content-type"]) == (200, "text/xml; charset=utf-8")


async def test_who_cannot_be_served(world: World) -> None:
    """§17.2."""
    assert condition(await post(world, rid=1)) == "improper-addressing"
    assert condition(await post(world, rid=1, to="elsewhere.example")) == "host-unknown"
    assert condition(await post(world, rid=1, sid="nobody")) == "item-not-found"
    assert condition(await post(world, rid=1, sid="00000000." + "x" * 24)) == "item-not-found"
    assert condition(await post(world, to=DOMAIN)) == "bad-request"
    assert condition(await post(world, "<a>text", rid=1)) == "bad-request"
    assert condition(await post(world, "x" * 300_000, rid=1)) == "policy-violation"


async def test_a_request_waits_and_is_answered_empty(tmp_path: Path) -> None:
    """§8; wait is the server's where the client asks for more."""
    async with World(tmp_path, settings={"xmpp": {"bosh_wait": 1}}) as world:
        sid = await create(world)
        answer = await post(world, rid=101, sid=sid)
        assert (answer.attrib, list(answer)) == ({}, [])


async def test_requests_are_taken_in_order(ivanov: BoshClient, log_in: LogIn, world: World) -> None:
    """§14.2: the later one comes first and waits for the earlier."""
    petrova = await log_in(PETROVA, "desk")
    await online(ivanov)
    await ivanov.settle()
    while ivanov.waiting:
        petrova.send(chat(ivanov.full, "this answers the request that waits"))
        await ivanov.message()
    rid, sid = ivanov.rid, ivanov.sid
    one, two = (
        f"<message xmlns='jabber:client' type='chat' to='{petrova.full}'><body>{text}</body></message>"
        for text in ("one", "two")
    )
    second = asyncio.create_task(post(world, two, rid=rid + 1, sid=sid))
    await taken(world, sid, rid + 1)
    assert not [stanza for stanza in await petrova.settle() if stanza.tag.endswith("}message")]
    first = await post(world, one, rid=rid, sid=sid)
    assert first.get("type") is None
    texts = [(await petrova.message()).findtext("c:body", "", NAMESPACES) for _ in range(2)]
    assert texts == ["one", "two"]
    petrova.send(chat(ivanov.full, "answer"))
    assert (await second).find("c:message", NAMESPACES) is not None


async def test_a_repeated_request_gets_the_answer_it_had(world: World, log_in: LogIn) -> None:
    """§14.3: nothing is done twice."""
    sid = await create(world)
    plain = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>"
    answer = await post(world, plain, rid=101, sid=sid)
    assert answer.find("sasl:failure", NAMESPACES) is not None
    again = await post(world, plain, rid=101, sid=sid)
    assert [child.tag for child in again] == [child.tag for child in answer]
    assert condition(await post(world, rid=99, sid=sid)) == "item-not-found"
    assert condition(await post(world, rid=102, sid=sid)) == "item-not-found"


async def test_of_a_request_sent_twice_the_latest_is_answered(world: World) -> None:
    """§14.3, §17.3."""
    sid = await create(world)
    former = asyncio.create_task(post(world, rid=101, sid=sid))
    await taken(world, sid, 101)
    latter = asyncio.create_task(post(world, rid=101, sid=sid))
    assert (await former).get("type") == "error"
    end = await post(world, rid=102, sid=sid, type="terminate")
    assert {(await latter).get("type"), end.get("type")} == {"terminate", None}


async def test_a_rid_beyond_the_window_ends_the_session(world: World) -> None:
    """§14.2: whoever waits is told."""
    sid = await create(world)
    waiting = asyncio.create_task(post(world, rid=101, sid=sid))
    await taken(world, sid, 101)
    assert condition(await post(world, rid=104, sid=sid)) == "item-not-found"
    assert condition(await waiting) == "item-not-found"


async def test_who_asks_while_one_waits_frees_the_first(world: World) -> None:
    """§8: never more than `hold` wait. §9.1: the answer says what has come meanwhile."""
    sid = await create(world, ack=1)
    waiting = asyncio.create_task(post(world, rid=101, sid=sid))
    await taken(world, sid, 101)
    second = asyncio.create_task(post(world, rid=102, sid=sid))
    answer = await waiting
    assert (list(answer), answer.attrib) == ([], {"ack": "102"})
    await post(world, rid=103, sid=sid, type="terminate")
    await second


async def test_a_pause_frees_all_and_gives_time(tmp_path: Path) -> None:
    """§10."""
    async with World(tmp_path, settings={"xmpp": {"bosh_inactivity": 1}}) as world:
        sid = await create(world)
        waiting = asyncio.create_task(post(world, rid=101, sid=sid))
        await taken(world, sid, 101)
        assert list(await post(world, rid=102, sid=sid, pause=60)) == []
        assert list(await waiting) == []
        await asyncio.sleep(3)  # longer than the usual time, much less than the pause
        assert (await post(world, rid=103, sid=sid, type="terminate")).get("condition") is None


async def test_who_is_silent_is_gone(tmp_path: Path) -> None:
    """§10: others see it as they see a lost connection."""
    async with World(tmp_path, settings={"xmpp": {"bosh_inactivity": 1}}) as world:
        async with Client(world, PETROVA, "desk") as petrova, BoshClient(world, IVANOV) as client:
            await petrova.log_in()
            await petrova.go_online()
            await client.connect()
            await online(client)
            await post(world, rid=client.rid, sid=client.sid, pause=1)
            await petrova.presence_of(client.full, "unavailable")
            assert condition(await post(world, rid=client.rid + 1, sid=client.sid)) == "item-not-found"


async def test_polling(world: World) -> None:
    """§12: with `hold` 0 every request is answered at once."""
    first = await post(world, rid=1, to=DOMAIN, wait=60, hold=0)
    assert first.find("stream:features", NAMESPACES) is not None
    sid = first.get("sid")
    plain = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>"
    seen = list(await post(world, plain, rid=2, sid=sid))
    rid = 3
    while not seen:
        seen = list(await post(world, rid=rid, sid=sid))
        rid += 1
    assert seen[0].tag.endswith("}failure")


def key(seed: str, times: int) -> str:
    for _ in range(times):
        seed = hashlib.sha1(seed.encode()).hexdigest()
    return seed


async def test_keys_keep_strangers_out(world: World) -> None:
    """§15."""
    sid = await create(world, newkey=key("seed", 3))
    asking = asyncio.create_task(post(world, rid=101, sid=sid, key=key("seed", 2).upper()))
    await taken(world, sid, 101)
    last = asyncio.create_task(post(world, rid=102, sid=sid, key=key("seed", 1), newkey=key("other", 2)))
    assert (await asking).get("type") is None
    assert condition(await post(world, rid=103, sid=sid, key=key("seed", 1))) == "item-not-found"
    assert condition(await last) == "item-not-found"


async def test_a_stream_error_ends_the_session(world: World) -> None:
    """XEP-0206 §6."""
    sid = await create(world)
    answer = await post(world, "<message xmlns='jabber:client' to='a@b'/>", rid=101, sid=sid)
    assert condition(answer) == "remote-stream-error"
    assert answer.find("stream:error/streams:not-authorized", NAMESPACES) is not None
    assert condition(await post(world, rid=102, sid=sid)) == "item-not-found"


async def test_pages_of_other_sites(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"xmpp": {"web_origins": ["https://chat.example.org"]}}) as world:
        data = body("", rid=1, to=DOMAIN)
        status, headers, _ = await exchange(world, data, Origin="https://evil.example")
        assert (status, headers.get("access-control-allow-origin")) == (403, None)
        for method, expected in (("OPTIONS", 204), ("POST", 200)):
            status, headers, _ = await exchange(world, data, method=method, Origin="https://chat.example.org")
            assert (status, headers["access-control-allow-origin"]) == (expected, "https://chat.example.org")
        status, headers, _ = await exchange(world, b"", method="GET")
        assert (status, headers["allow"]) == (405, "POST, OPTIONS")


async def test_only_so_many_sessions(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"xmpp": {"bosh_sessions": 1}}) as world:
        sid = await create(world)
        assert condition(await post(world, rid=1, to=DOMAIN)) == "internal-server-error"
        await post(world, rid=101, sid=sid, type="terminate")


async def test_a_stop_says_goodbye(world: World, ivanov: BoshClient) -> None:
    await online(ivanov)
    waiting = asyncio.create_task(ivanov.wait_end())
    await asyncio.sleep(0)  # by now it has asked
    await taken(world, ivanov.sid, ivanov.rid - 1)
    await world.stop()
    await waiting
    assert ivanov.ended == {"type": "terminate", "condition": "remote-stream-error"}
    assert ivanov.stanzas[-1].find("streams:system-shutdown", NAMESPACES) is not None


async def test_who_brings_more_than_is_handled_waits() -> None:
    """Nothing but the largest stanza, and what came with it, is kept of what nobody has read yet."""
    settings, limits = XmppSettings(stanza_size=20_000), LimitSettings()
    first = parse_body(body(rid=1, to=DOMAIN, wait=30, hold=1), 30_000)
    session = BoshSession("sid", first, "127.0.0.1", True, settings, limits, lambda: None)
    session.take(first)
    session.allow(20_000)
    for rid in (2, 3):
        await asyncio.wait_for(session.room(), TIMEOUT)
        text = f"<message xmlns='jabber:client'><body>{'x' * 15_000}</body></message>"
        session.take(parse_body(body(text, rid=rid, sid="sid"), 30_000))
    waiting = asyncio.ensure_future(session.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert len(await session.receive(TIMEOUT)) == 3  # the header, and two messages
    await asyncio.wait_for(waiting, TIMEOUT)
    session.take(parse_body(body(text, rid=4, sid="sid"), 30_000))
    session.take(parse_body(body(text, rid=5, sid="sid"), 30_000))
    waiting = asyncio.ensure_future(session.room())
    session.abort()
    await asyncio.wait_for(waiting, TIMEOUT)  # whoever waits when it ends is let go
