# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.4, §7.5, §8.1: messages to all and to one, the subject; their archive."""

from __future__ import annotations

from tests.world import IVANOV, PETROVA, SIDOROV
from tests.xmpp.client import NAMESPACES, error_of, find, text
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import ROOM, configure, create, enter, entry, item, say


async def test_everybody_gets_a_message_with_its_archive_id(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    forged = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='1'/>"
    forged += "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='1'/>"
    petrova.send(f"<message type='groupchat' to='{ROOM}' id='m1'><body>Чай?</body>{forged}</message>")
    seen = [await client.message("Чай?") for client in (ivanov, petrova)]
    for message in seen:
        assert (message.get("from"), message.get("type"), message.get("id")) == (
            f"{ROOM}/petrova",
            "groupchat",
            "m1",
        )
        [stanza_id] = message.findall("sid:stanza-id", NAMESPACES)
        assert stanza_id.get("by") == ROOM
        assert len(message.findall("occupant:occupant-id", NAMESPACES)) == 1
    ids = {find(message, "sid:stanza-id").get("id") for message in seen}
    assert len(ids) == 1
    answer = await petrova.iq("<query xmlns='urn:xmpp:mam:2' queryid='q'/>", "set", ROOM)
    assert find(answer, "mam:fin").get("complete") == "true"
    result = await petrova.receive("c:message", lambda each: each.find("mam:result", NAMESPACES) is not None)
    assert result.get("from") == ROOM
    assert find(result, "mam:result").get("id") in ids
    assert text(result, "mam:result/forward:forwarded/c:message/c:body") == "Чай?"


async def test_everything_an_occupant_says_has_its_id(log_in: LogIn) -> None:
    """XEP-0421 §4: messages to all and to one, and the subject, now and for who comes later."""
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    own = find(await enter(petrova, "petrova"), "occupant:occupant-id").get("id")
    await configure(ivanov, changesubject="1")
    forged = "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='mine'/>"
    petrova.send(say("all"))
    petrova.send(f"<message type='chat' to='{ROOM}/ivanov'><body>one</body>{forged}</message>")
    petrova.send(f"<message type='groupchat' to='{ROOM}'><subject>Tea</subject>{forged}</message>")
    sidorov = await log_in(SIDOROV)
    await ivanov.receive("c:message", lambda each: each.findtext("c:subject", "", NAMESPACES) == "Tea")
    sidorov.send(entry("sidorov"))
    heard = [await ivanov.message("all"), await ivanov.message("one")]
    for body in ("all", None):
        heard.append(await sidorov.message(body))
    assert heard[-1].findtext("c:subject", "", NAMESPACES) == "Tea"
    for message in heard:
        assert [each.get("id") for each in message.findall("occupant:occupant-id", NAMESPACES)] == [own]


async def test_who_is_not_in_the_room_is_not_heard(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    petrova.send(say("let me in"))
    error = await petrova.message()
    assert (error_of(error), error.get("from")) == ("not-acceptable", ROOM)
    petrova.send(say("anybody?", "nowhere@conference.digital.example"))
    assert error_of(await petrova.message()) == "item-not-found"


async def test_without_voice_one_reads_only(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov", moderatedroom="1")
    await enter(petrova, "petrova")
    petrova.send(say("may I?"))
    assert error_of(await petrova.message()) == "forbidden"
    ivanov.send(say("listen"))
    assert text(await petrova.message("listen"), "c:body") == "listen"


async def test_voice_is_asked_for_and_given(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov", moderatedroom="1")
    await enter(petrova, "petrova")
    request = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#request</value></field>"
    asked = f"{request}<field var='muc#role'><value>participant</value></field>"
    petrova.send(f"<message to='{ROOM}'><x xmlns='jabber:x:data' type='submit'>{asked}</x></message>")
    form = await ivanov.receive("c:message", lambda stanza: stanza.find("data:x", NAMESPACES) is not None)
    assert form.get("from") == ROOM
    nick = f"{request}<field var='muc#roomnick'><value>petrova</value></field>"
    allow = f"{nick}<field var='muc#request_allow'><value>true</value></field>"
    answer = f"<message to='{ROOM}'><x xmlns='jabber:x:data' type='submit'>{allow}</x></message>"
    petrova.send(answer)  # she cannot give it to herself
    assert error_of(await petrova.message()) == "forbidden"
    ivanov.send(answer)
    assert item(await petrova.presence_of(f"{ROOM}/petrova"))["role"] == "participant"
    petrova.send(say("thank you"))
    await ivanov.message("thank you")


async def test_private_messages_reach_one_occupant_on_all_devices(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    phone = await log_in(PETROVA, "phone")
    await create(ivanov, "ivanov", allowpm="participants")
    for client, nick in ((petrova, "petrova"), (phone, "petrova"), (sidorov, "sidorov")):
        await enter(client, nick)
    ivanov.send(f"<message type='chat' to='{ROOM}/petrova' id='p'><body>a word</body></message>")
    for device in (petrova, phone):
        message = await device.message("a word")
        assert (message.get("from"), message.get("type")) == (f"{ROOM}/ivanov", "chat")
        assert message.find("user:x", NAMESPACES) is not None
    assert not [each for each in await sidorov.settle() if each.findtext("c:body", None, NAMESPACES)]
    ivanov.send(f"<message type='chat' to='{ROOM}/nobody'><body>?</body></message>")
    assert error_of(await ivanov.message()) == "item-not-found"
    ivanov.send(f"<message type='groupchat' to='{ROOM}/petrova'><body>?</body></message>")
    assert error_of(await ivanov.message()) == "bad-request"
    await configure(ivanov, allowpm="none")
    sidorov.send(f"<message type='chat' to='{ROOM}/petrova'><body>?</body></message>")
    refusal = await sidorov.receive("c:message", lambda stanza: stanza.get("type") == "error")
    assert error_of(refusal) == "forbidden"


async def test_the_subject_is_told_and_kept(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    subject = f"<message type='groupchat' to='{ROOM}'><subject>Tea at five</subject></message>"
    petrova.send(subject)
    assert error_of(await petrova.message()) == "forbidden"
    ivanov.send(subject)
    for client in (ivanov, petrova):
        message = await client.message()
        assert (message.get("from"), text(message, "c:subject")) == (f"{ROOM}/ivanov", "Tea at five")
    for client, nick in ((ivanov, "ivanov"), (petrova, "petrova")):
        client.send(f"<presence to='{ROOM}/{nick}' type='unavailable'/>")
        await client.presence_of(f"{ROOM}/{nick}", "unavailable")
    petrova.send(f"<presence to='{ROOM}/petrova'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    message = await petrova.receive(
        "c:message", lambda stanza: stanza.find("c:subject", NAMESPACES) is not None
    )
    assert (message.get("from"), text(message, "c:subject")) == (f"{ROOM}/ivanov", "Tea at five")


async def test_participants_change_the_subject_where_they_may(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov", changesubject="1")
    await enter(petrova, "petrova")
    petrova.send(f"<message type='groupchat' to='{ROOM}'><subject>Coffee</subject></message>")
    assert text(await ivanov.message(), "c:subject") == "Coffee"
