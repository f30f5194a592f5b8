# SPDX-License-Identifier: Apache-2.0
"""Two workplaces talk to each other: messages, presence, rooms, archive, events, over real streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import NAMESPACES, Client, chat, error_of, find, text
from tests.xmpp.federation import SMIRNOV, Authority, Workplace, workplaces
from tests.xmpp.rooms import ROOM, create, enter, entry, item, say


class Pair:
    """Both worlds, and clients that are ended with the test."""

    def __init__(self, stack: AsyncExitStack, ours: Workplace, theirs: Workplace) -> None:
        self._stack = stack
        self.ours = ours
        self.theirs = theirs

    async def log_in(self, jid: str, resource: str = "", *, online: bool = True) -> Client:
        world: World = self.ours if jid.rpartition("@")[2] in self.ours.domains else self.theirs
        client = await self._stack.enter_async_context(Client(world, jid, resource))
        await client.log_in()
        return await client.go_online() if online else client


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def pair(tmp_path: Path, authority: Authority) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        ours, theirs = workplaces(tmp_path, authority)
        await stack.enter_async_context(ours)
        await stack.enter_async_context(theirs)
        yield Pair(stack, ours, theirs)


async def test_messages_go_both_ways(pair: Pair) -> None:
    ivanov = await pair.log_in(IVANOV, "office")
    smirnov = await pair.log_in(SMIRNOV, "desk")
    ivanov.send(chat(SMIRNOV, "Добрый день", id_="m1"))
    message = await smirnov.message("Добрый день")
    assert message.get("from") == ivanov.full and message.get("id") == "m1"
    smirnov.send(chat(ivanov.full, "И вам"))
    assert (await ivanov.message("И вам")).get("from") == smirnov.full


async def test_tls_from_the_first_byte(tmp_path: Path, authority: Authority) -> None:
    async with AsyncExitStack() as stack:
        ours, theirs = workplaces(tmp_path, authority, direct=True)
        await stack.enter_async_context(ours)
        await stack.enter_async_context(theirs)
        pair = Pair(stack, ours, theirs)
        ivanov, smirnov = await pair.log_in(IVANOV, "office"), await pair.log_in(SMIRNOV, "desk")
        ivanov.send(chat(smirnov.full, "прямо"))
        assert (await smirnov.message("прямо")).get("from") == ivanov.full


async def test_certificates_that_are_not_for_clients(tmp_path: Path, authority: Authority) -> None:
    """Public CAs issue no others: then each dials back, and verifies the other's server certificate."""
    async with AsyncExitStack() as stack:
        both = workplaces(tmp_path, authority)
        for workplace in both:
            workplace.is_certified_for_clients = False
            await stack.enter_async_context(workplace)
        pair = Pair(stack, *both)
        ivanov, smirnov = await pair.log_in(IVANOV, "office"), await pair.log_in(SMIRNOV, "desk")
        ivanov.send(chat(smirnov.full, "без предъявления"))
        assert (await smirnov.message("без предъявления")).get("from") == ivanov.full


async def test_who_is_away_finds_the_message_later_and_both_archives_have_it(pair: Pair) -> None:
    ivanov = await pair.log_in(IVANOV)
    ivanov.send(chat(SMIRNOV, "Когда вернётесь", id_="later"))
    await ivanov.iq("<ping xmlns='urn:xmpp:ping'/>", to="partner.example")  # on the same stream, behind it
    smirnov = await pair.log_in(SMIRNOV)
    message = await smirnov.message("Когда вернётесь")
    assert find(message, "delay:delay").get("from") == "partner.example"
    for client, peer in ((ivanov, SMIRNOV), (smirnov, IVANOV)):
        assert await archived(client, peer) == ["Когда вернётесь"]


async def archived(client: Client, peer: str) -> list[str]:
    """Bodies in the client's archive with that contact."""
    form = (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
        f"<field var='with'><value>{peer}</value></field></x>"
    )
    await client.iq(f"<query xmlns='urn:xmpp:mam:2'>{form}</query>", "set")
    found = [each for each in client.stanzas if each.find("mam:result", NAMESPACES) is not None]
    return [text(each, "mam:result/forward:forwarded/c:message/c:body") for each in found]


async def test_other_devices_get_carbons(pair: Pair) -> None:
    ivanov = await pair.log_in(IVANOV, "office")
    phone = await pair.log_in(IVANOV, "phone")
    smirnov = await pair.log_in(SMIRNOV, "desk")
    await phone.iq("<enable xmlns='urn:xmpp:carbons:2'/>", "set")
    ivanov.send(chat(SMIRNOV, "к вам"))
    carbon = await phone.receive(
        "c:message", lambda stanza: stanza.find("carbons:sent", NAMESPACES) is not None
    )
    assert text(carbon, "carbons:sent/forward:forwarded/c:message/c:body") == "к вам"
    await smirnov.message("к вам")
    smirnov.send(chat(ivanov.full, "к нам"))
    carbon = await phone.receive(
        "c:message", lambda stanza: stanza.find("carbons:received", NAMESPACES) is not None
    )
    assert text(carbon, "carbons:received/forward:forwarded/c:message/c:body") == "к нам"


async def subscribe(asker: Client, asked: Client) -> None:
    """Both see each other from then on."""
    for one, other in ((asker, asked), (asked, asker)):
        one.send(f"<presence type='subscribe' to='{other.jid}'/>")
        await other.presence_of(one.jid, "subscribe")
        other.send(f"<presence type='subscribed' to='{one.jid}'/>")
        await one.presence_of(other.jid, "subscribed")
        await one.presence_of(other.full)


async def test_subscription_presence_probe_and_removal(pair: Pair) -> None:
    ivanov = await pair.log_in(IVANOV, "office")
    smirnov = await pair.log_in(SMIRNOV, "desk")
    petrova = await pair.log_in(PETROVA, "watcher")
    await subscribe(ivanov, smirnov)
    roster = await ivanov.iq("<query xmlns='jabber:iq:roster'/>")
    item = next(
        each for each in roster.iterfind("roster:query/roster:item", NAMESPACES) if each.get("jid") == SMIRNOV
    )
    assert item.get("subscription") == "both"

    ivanov.send("<presence><show>dnd</show></presence>")
    assert text(await smirnov.presence_of(ivanov.full), "c:show") == "dnd"

    tablet = await pair.log_in(IVANOV, "tablet")  # RFC 6121 §4.3: its server asks theirs
    await tablet.presence_of(smirnov.full)
    await smirnov.presence_of(tablet.full)
    await tablet.close()
    await smirnov.presence_of(tablet.full, "unavailable")

    await ivanov.iq(
        f"<query xmlns='jabber:iq:roster'><item jid='{SMIRNOV}' subscription='remove'/></query>", "set"
    )
    await smirnov.presence_of(ivanov.full, "unavailable")
    kinds = {
        (await smirnov.receive("c:presence", lambda s: s.get("from") == IVANOV)).get("type") for _ in "12"
    }
    assert kinds == {"unsubscribe", "unsubscribed"}
    assert not [each for each in await petrova.settle() if "partner.example" in (each.get("from") or "")]


async def test_who_is_not_subscribed_sees_and_learns_nothing(pair: Pair) -> None:
    ivanov = await pair.log_in(IVANOV, "office")
    smirnov = await pair.log_in(SMIRNOV, "desk")
    for payload in (
        "<query xmlns='http://jabber.org/protocol/disco#info'/>",
        "<vCard xmlns='vcard-temp'/>",
        "<query xmlns='jabber:iq:roster'/>",
        "<query xmlns='urn:xmpp:mam:2'/>",
        "<query xmlns='jabber:iq:last'/>",
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:x'/></pubsub>",
        "<query xmlns='http://jabber.org/protocol/disco#info' node='urn:x'/>",
    ):
        for address in (IVANOV, "nobody@digital.example"):
            assert error_of(await smirnov.iq(payload, to=address)) == "service-unavailable"
    contact = "<query xmlns='jabber:iq:roster'><item jid='a@partner.example'/></query>"
    items = "<query xmlns='http://jabber.org/protocol/disco#items'/>"
    for address in (IVANOV, "nobody@digital.example"):
        assert error_of(await smirnov.iq(contact, "set", address)) == "service-unavailable"
        assert not len(find(await smirnov.iq(items, to=address), "items:query"))
    assert not [each for each in await ivanov.settle() if (each.get("from") or "").startswith("smirnov")]


async def test_iqs_of_contacts_and_to_the_server_are_answered(pair: Pair) -> None:
    ivanov = await pair.log_in(IVANOV, "office")
    smirnov = await pair.log_in(SMIRNOV, "desk")
    await subscribe(ivanov, smirnov)
    card = await smirnov.iq("<vCard xmlns='vcard-temp'/>", to=IVANOV)
    assert text(card, "vcard:vCard/vcard:FN") == "Иванов Иван"
    info = await smirnov.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to="digital.example")
    assert find(info, "disco:query/disco:identity").get("category") == "server"
    smirnov.send(f"<iq type='get' id='v1' to='{ivanov.full}'><query xmlns='jabber:iq:version'/></iq>")
    asked = await ivanov.receive("c:iq", lambda stanza: stanza.get("from") == smirnov.full)
    ivanov.send(f"<iq type='result' id='{asked.get('id')}' to='{smirnov.full}'/>")
    answer = await smirnov.receive("c:iq", lambda stanza: stanza.get("id") == "v1")
    assert (answer.get("type"), answer.get("from")) == ("result", ivanov.full)
    absent = await smirnov.iq("<ping xmlns='urn:xmpp:ping'/>", to=f"{IVANOV}/nowhere")
    assert error_of(absent) == "service-unavailable"


async def test_whom_one_blocks_is_told_like_one_who_finds_nobody(pair: Pair) -> None:
    ivanov = await pair.log_in(IVANOV, "office")
    smirnov = await pair.log_in(SMIRNOV, "desk")
    await subscribe(ivanov, smirnov)
    await ivanov.iq(f"<block xmlns='urn:xmpp:blocking'><item jid='{SMIRNOV}'/></block>", "set")
    await smirnov.presence_of(ivanov.full, "unavailable")
    smirnov.send(chat(IVANOV, "почему?", id_="b1"))
    error = await smirnov.receive("c:message", lambda stanza: stanza.get("id") == "b1")
    assert error_of(error) == "service-unavailable"
    smirnov.send("<presence><show>away</show></presence>")
    await smirnov.settle()
    assert not [each for each in await ivanov.settle() if (each.get("from") or "").startswith("smirnov")]


async def test_rooms_across_servers(pair: Pair) -> None:
    ivanov = await pair.log_in(IVANOV, "office")
    smirnov = await pair.log_in(SMIRNOV, "desk")
    await create(ivanov, "Иванов", whois="anyone", persistentroom="1")
    await enter(smirnov, "Smirnov")
    seen = await ivanov.presence_of(f"{ROOM}/Smirnov")
    assert item(seen)["jid"] == smirnov.full
    ivanov.send(say("Начнём"))
    assert (await smirnov.message("Начнём")).get("from") == f"{ROOM}/Иванов"
    smirnov.send(say("Согласен", id_="yes"))
    assert (await ivanov.message("Согласен")).get("from") == f"{ROOM}/Smirnov"
    await smirnov.message("Согласен")
    info = await smirnov.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=ROOM)
    assert "muc_nonanonymous" in {
        each.get("var") for each in info.iterfind("disco:query/disco:feature", NAMESPACES)
    }
    await smirnov.iq("<query xmlns='urn:xmpp:mam:2'/>", "set", ROOM)
    found = [each for each in smirnov.stanzas if each.find("mam:result", NAMESPACES) is not None]
    bodies = [text(each, "mam:result/forward:forwarded/c:message/c:body") for each in found]
    assert bodies == ["Начнём", "Согласен"]
    await smirnov.disconnect()  # without a word: their server tells the room
    await ivanov.presence_of(f"{ROOM}/Smirnov", "unavailable")


async def test_contacts_elsewhere_hear_events(pair: Pair) -> None:
    ivanov = await pair.log_in(IVANOV, "office")
    smirnov = await pair.log_in(SMIRNOV, "desk")
    await subscribe(ivanov, smirnov)
    caps = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://x' ver='unknown'/>"
    smirnov.send(f"<presence>{caps}</presence>")
    query = await smirnov.receive("c:iq", lambda stanza: stanza.get("from") == IVANOV)
    node = "http://jabber.org/protocol/tune"
    smirnov.send(
        f"<iq type='result' id='{query.get('id')}' to='{IVANOV}'>"
        "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='client' type='pc'/>"
        f"<feature var='{node}+notify'/></query></iq>"
    )
    await smirnov.settle()
    await smirnov.iq("<ping xmlns='urn:xmpp:ping'/>", to="digital.example")  # behind the answer
    await ivanov.iq(
        f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'><item id='current'>"
        "<tune xmlns='http://jabber.org/protocol/tune'><title>Гимн</title></tune></item></publish></pubsub>",
        "set",
    )
    event = await smirnov.receive("c:message", lambda stanza: stanza.get("from") == IVANOV)
    assert event.get("type") == "headline"


async def test_rooms_let_go_of_who_cannot_be_reached(pair: Pair) -> None:
    ivanov = await pair.log_in(IVANOV, "office")
    smirnov = await pair.log_in(SMIRNOV, "desk")
    await create(ivanov, "Иванов")
    await enter(smirnov, "Smirnov")
    await ivanov.presence_of(f"{ROOM}/Smirnov")
    await pair.theirs.stop()  # its people leave as their sessions end, or the next word does not reach them
    ivanov.send(say("есть кто?"))
    left = await ivanov.presence_of(f"{ROOM}/Smirnov", "unavailable")
    item = left.find("{http://jabber.org/protocol/muc#user}x/{http://jabber.org/protocol/muc#user}item")
    assert item is not None and item.get("role") == "none"


async def test_rooms_are_made_by_our_people_and_invite_anybody(pair: Pair) -> None:
    ivanov = await pair.log_in(IVANOV, "office")
    smirnov = await pair.log_in(SMIRNOV, "desk")
    other = "other@conference.digital.example"
    smirnov.send(entry("Smirnov", room=other, id_="mine"))
    refused = await smirnov.receive("c:presence", lambda stanza: stanza.get("type") == "error")
    assert error_of(refused) == "not-allowed"
    await create(ivanov, "Иванов", membersonly="1")
    ivanov.send(
        f"<message to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc#user'>"
        f"<invite to='{SMIRNOV}'/></x></message>"
    )
    invitation = await smirnov.receive("c:message", lambda stanza: stanza.get("from") == ROOM)
    assert invitation.find("{http://jabber.org/protocol/muc#user}x") is not None
    await enter(smirnov, "Smirnov")
