# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.2, §7.6, §7.7, §7.14: entering, changing, leaving, with others watching."""

from __future__ import annotations

import pytest

from tests.world import IVANOV, PETROVA, SIDOROV
from tests.xmpp.client import NAMESPACES, error_of, find, text
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import ROOM, codes, configure, create, enter, entry, item, say


async def test_who_enters_first_owns_the_room_until_it_is_set_up(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    own = await enter(ivanov, "ivanov")
    assert codes(own) == [100, 110, 201]
    assert item(own) == {"affiliation": "owner", "role": "moderator", "jid": ivanov.full}
    assert own.get("id") == "enter"
    petrova.send(entry("petrova"))
    assert error_of(await petrova.presence_of(f"{ROOM}/petrova", "error")) == "item-not-found"
    await create(ivanov, "ivanov")
    own = await enter(petrova, "petrova")
    assert codes(own) == [100, 110, 170]
    assert item(own) == {"affiliation": "none", "role": "participant", "jid": petrova.full}


async def test_who_enters_sees_all_and_is_seen_by_all(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    ivanov.send(f"<presence to='{ROOM}/ivanov'><show>dnd</show></presence>")
    await ivanov.presence_of(f"{ROOM}/ivanov")
    petrova.send(entry("petrova"))
    first = await petrova.receive("c:presence", lambda stanza: ROOM in stanza.get("from", ""))
    assert (first.get("from"), text(first, "c:show")) == (f"{ROOM}/ivanov", "dnd")
    assert codes(first) == []
    seen = await ivanov.presence_of(f"{ROOM}/petrova")
    assert (codes(seen), item(seen)["jid"]) == ([], petrova.full)
    assert len(find(seen, "occupant:occupant-id").get("id", "")) == 24


async def test_a_client_cannot_speak_in_the_rooms_name(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov")
    forged = "<x xmlns='http://jabber.org/protocol/muc#user'><item role='none'/></x>"
    forged += "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='mine'/><status>here</status>"
    ivanov.send(f"<presence to='{ROOM}/ivanov'>{forged}</presence>")
    own = await ivanov.presence_of(f"{ROOM}/ivanov")
    assert item(own)["role"] == "moderator"
    assert text(own, "c:status") == "here"
    assert len(own.findall("user:x", NAMESPACES)) == 1
    assert [each.get("id") != "mine" for each in own.findall("occupant:occupant-id", NAMESPACES)] == [True]


@pytest.mark.parametrize(
    ("fields", "inner", "condition"),
    [
        ({"membersonly": "1"}, "", "registration-required"),
        ({"passwordprotectedroom": "1", "roomsecret": "sesame"}, "", "not-authorized"),
        (
            {"passwordprotectedroom": "1", "roomsecret": "sesame"},
            "<password>open</password>",
            "not-authorized",
        ),
        ({"passwordprotectedroom": "1", "roomsecret": "sesame"}, "<password>sesame</password>", ""),
        ({"maxusers": "1"}, "", "service-unavailable"),
        ({"maxusers": "2"}, "", ""),
        ({}, "<history maxstanzas='many'/>", "bad-request"),
        ({}, "<history since='yesterday'/>", "bad-request"),
    ],
)
async def test_who_may_enter(log_in: LogIn, fields: dict[str, str], inner: str, condition: str) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov", **{"roomname": "Tea", **fields})
    if not condition:
        assert 110 in codes(await enter(petrova, "petrova", inner))
        return
    petrova.send(entry("petrova", inner))
    assert error_of(await petrova.presence_of(f"{ROOM}/petrova", "error")) == condition
    assert not [each for each in await ivanov.settle() if each.get("from") == f"{ROOM}/petrova"]


async def test_a_nickname_is_one_persons_on_all_devices(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    phone = await log_in(IVANOV, "phone")
    await create(ivanov, "tea")
    await enter(petrova, "petrova")
    petrova.send(f"<presence to='{ROOM}/tea'/>")
    assert error_of(await petrova.presence_of(f"{ROOM}/tea", "error")) == "conflict"
    await petrova.settle()
    await enter(phone, "tea")
    # a second device is no news, and its going neither
    phone.send(f"<presence to='{ROOM}/tea' type='unavailable'/>")
    assert 110 in codes(await phone.presence_of(f"{ROOM}/tea", "unavailable"))
    assert not [each for each in await petrova.settle() if each.get("from") == f"{ROOM}/tea"]
    petrova.send(say("both?"))
    await ivanov.message("both?")
    assert not [each for each in await phone.settle() if each.findtext("c:body", None, NAMESPACES)]


async def test_a_new_nickname(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    petrova.send(f"<presence to='{ROOM}/anna' id='n'/>")
    for client, own in ((ivanov, False), (petrova, True)):
        gone = await client.presence_of(f"{ROOM}/petrova", "unavailable")
        assert (codes(gone), item(gone)["nick"]) == ([110, 303] if own else [303], "anna")
        there = await client.presence_of(f"{ROOM}/anna")
        assert (codes(there), there.get("id")) == (([110], "n") if own else ([], None))


async def test_leaving_is_seen_however_it_happens(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    await enter(sidorov, "sidorov")
    petrova.send(f"<presence to='{ROOM}/petrova' type='unavailable'><status>tea</status></presence>")
    assert codes(await petrova.presence_of(f"{ROOM}/petrova", "unavailable")) == [110]
    gone = await ivanov.presence_of(f"{ROOM}/petrova", "unavailable")
    assert (item(gone)["role"], text(gone, "c:status")) == ("none", "tea")
    await sidorov.disconnect()
    assert item(await ivanov.presence_of(f"{ROOM}/sidorov", "unavailable"))["role"] == "none"


async def test_presence_of_who_is_not_in_the_room(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    petrova.send(f"<presence to='{ROOM}/petrova'/>")  # no <x/>: it believes to be there still
    assert codes(await petrova.presence_of(f"{ROOM}/petrova", "unavailable")) == [110, 307, 333]
    petrova.send("<presence to='nowhere@conference.digital.example/petrova'/>")
    answer = await petrova.presence_of("nowhere@conference.digital.example/petrova", "unavailable")
    assert codes(answer) == [110, 307, 333]
    petrova.send(f"<presence to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    assert error_of(await petrova.presence_of(ROOM, "error")) == "jid-malformed"


async def test_entering_again_tells_everything_anew(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    ivanov.send(say("hello"))
    await petrova.message("hello")
    await ivanov.settle()
    petrova.send(entry("petrova"))
    await petrova.presence_of(f"{ROOM}/ivanov")
    assert 110 in codes(await petrova.presence_of(f"{ROOM}/petrova"))
    assert find(await petrova.message("hello"), "delay:delay").get("from") == ROOM
    assert not [each for each in await ivanov.settle() if each.get("from") == f"{ROOM}/petrova"]


async def test_in_a_semi_anonymous_room_moderators_alone_see_addresses(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await create(ivanov, "ivanov", whois="moderators")
    assert codes(await enter(petrova, "petrova")) == [110, 170]
    await enter(sidorov, "sidorov")
    assert item(await ivanov.presence_of(f"{ROOM}/sidorov"))["jid"] == sidorov.full
    assert "jid" not in item(await petrova.presence_of(f"{ROOM}/sidorov"))
    answer = await configure(ivanov, whois="anyone")
    assert answer.get("type") == "result"
    notice = await petrova.receive("c:message", lambda stanza: stanza.get("from") == ROOM)
    assert codes(notice) == [172]
