# SPDX-License-Identifier: Apache-2.0
"""Archives as slixmpp reads them: XEP-0313 page by page, 0441, 0353, 0424, 0431 in its own form, 0059."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import slixmpp

from tests.world import HOST, IVANOV, PASSWORD, PETROVA, World

TIMEOUT = 20.0
PLUGINS = ("xep_0030", "xep_0059", "xep_0199", "xep_0313", "xep_0353", "xep_0424", "xep_0441")
FULLTEXT = "{urn:xmpp:fulltext:0}fulltext"

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]


@asynccontextmanager
async def online(world: World, jid: str) -> AsyncIterator[Any]:
    client = slixmpp.ClientXMPP(jid, PASSWORD)
    for plugin in PLUGINS:
        client.register_plugin(plugin)
    context = world.client_context()
    client.get_ssl_context = lambda: context
    client.connect(HOST, world.ports["xmpp"])
    await client.wait_until("session_start", TIMEOUT)
    client.send_presence()
    await client.plugin["xep_0199"].ping(jid=slixmpp.JID("digital.example"), timeout=TIMEOUT)
    try:
        yield client
    finally:
        gone = asyncio.ensure_future(client.disconnect())
        await asyncio.wait_for(gone, TIMEOUT)


async def settle(client: Any) -> None:
    await client.plugin["xep_0199"].ping(jid=slixmpp.JID("digital.example"), timeout=TIMEOUT)


async def history(client: Any, **asked: Any) -> list[Any]:
    found = client.plugin["xep_0313"].iterate(rsm={"max": 2}, **asked)
    return [message["mam_result"]["forwarded"]["stanza"] async for message in found]


async def test_history_preferences_retraction_and_calls(tmp_path: Path) -> None:
    async with World(tmp_path) as world, online(world, IVANOV) as ivanov, online(world, PETROVA) as petrova:
        for number in range(5):
            ivanov.send_message(mto=PETROVA, mbody=f"n{number}", mtype="chat")
        await settle(ivanov)
        expected = [f"n{number}" for number in range(5)]
        for client, peer in ((ivanov, petrova.boundjid), (petrova, slixmpp.JID(IVANOV))):
            assert [
                message["body"] for message in await history(client, with_jid=slixmpp.JID(peer.bare))
            ] == (expected)
        backwards = await history(ivanov, reverse=True, total=2)
        assert {message["body"] for message in backwards} == {"n3", "n4"}

        wrong = ivanov.make_message(mto=PETROVA, mbody="not for you", mtype="chat")
        wrong["id"] = "wrong-1"
        wrong.send()
        ivanov.plugin["xep_0424"].send_retraction(slixmpp.JID(PETROVA), "wrong-1", include_fallback=False)
        ivanov.plugin["xep_0353"].propose(
            slixmpp.JID(PETROVA), "call-1", [("urn:xmpp:jingle:apps:rtp:1", "audio")]
        )
        ivanov.plugin["xep_0353"].retract(slixmpp.JID(PETROVA), "call-1")
        await settle(ivanov)
        seen = await history(petrova)
        assert "not for you" not in {message["body"] for message in seen}
        kinds = [child.tag.rpartition("}")[2] for message in seen[5:] for child in message.xml]
        assert [kind for kind in kinds if kind in ("retracted", "retract", "propose")] == [
            "retracted",
            "retract",
            "propose",
            "retract",
        ]

        preferences = petrova.plugin["xep_0441"]
        assert (await preferences.get_preferences(timeout=TIMEOUT))[0] == "always"
        await preferences.set_preferences("always", [], [slixmpp.JID(IVANOV)], timeout=TIMEOUT)
        default, _, never = await preferences.get_preferences(timeout=TIMEOUT)
        assert (default, {str(jid) for jid in never}) == ("always", {IVANOV})
        ivanov.send_message(mto=PETROVA, mbody="only mine", mtype="chat")
        await settle(ivanov)
        assert "only mine" not in {message["body"] for message in await history(petrova)}
        assert "only mine" in {message["body"] for message in await history(ivanov)}


async def test_words_asked_for_in_the_form_that_the_server_gives(tmp_path: Path) -> None:
    async with World(tmp_path) as world, online(world, IVANOV) as ivanov:
        for body in ("Проект приказа", "Обед в час"):
            ivanov.send_message(mto=PETROVA, mbody=body, mtype="chat")
        await settle(ivanov)
        form = await ivanov.plugin["xep_0313"].get_fields(timeout=TIMEOUT)
        assert FULLTEXT in form.get_fields()
        iq = ivanov.make_iq_set()
        iq["mam"]["queryid"] = "q"
        answer = ivanov.plugin["xep_0004"].make_form(ftype="submit")
        answer.add_field(var="FORM_TYPE", ftype="hidden", value="urn:xmpp:mam:2")
        answer.add_field(var=FULLTEXT, value="приказы")
        iq["mam"].xml.append(answer.xml)
        collector = slixmpp.xmlstream.handler.Collector(
            "found", slixmpp.xmlstream.matcher.MatchXPath("{jabber:client}message/{urn:xmpp:mam:2}result")
        )
        ivanov.register_handler(collector)
        await iq.send(timeout=TIMEOUT)
        results = collector.stop()
        assert [each["mam_result"]["forwarded"]["stanza"]["body"] for each in results] == ["Проект приказа"]
