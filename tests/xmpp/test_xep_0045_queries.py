# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §6 (disco), XEP-0313 for rooms, XEP-0410 (self-ping), IQs between occupants."""

from __future__ import annotations

from tests.world import IVANOV, PETROVA, SIDOROV
from tests.xmpp.client import NAMESPACES, Client, error_of, find
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import MUC, ROOM, administer, configure, create, enter, say

SERVICE = "conference.digital.example"
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
ITEMS = "<query xmlns='http://jabber.org/protocol/disco#items'/>"
PING = "<ping xmlns='urn:xmpp:ping'/>"
ARCHIVE = "<query xmlns='urn:xmpp:mam:2'/>"


async def features(client: Client, to: str) -> set[str]:
    answer = await client.iq(INFO, to=to)
    return {each.get("var", "") for each in answer.iterfind("disco:query/disco:feature", NAMESPACES)}


async def items(client: Client, to: str) -> list[str]:
    answer = await client.iq(ITEMS, to=to)
    return [each.get("jid", "") for each in answer.iterfind("items:query/items:item", NAMESPACES)]


async def test_the_service_is_found(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    assert SERVICE in await items(ivanov, "digital.example")
    assert MUC in await features(ivanov, SERVICE)
    identity = find(await ivanov.iq(INFO, to=SERVICE), "disco:query/disco:identity")
    assert (identity.get("category"), identity.get("type")) == ("conference", "text")
    assert (await ivanov.iq(PING, to=SERVICE)).get("type") == "result"
    assert error_of(await ivanov.iq("<query xmlns='jabber:iq:last'/>", to=SERVICE)) == "service-unavailable"


async def test_public_rooms_are_listed_and_hidden_ones_are_not(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov", roomname="Tea")
    await create(ivanov, "ivanov", room=f"secret@{SERVICE}", publicroom="0")
    await create(ivanov, "ivanov", room="other@conference.finance.example")
    assert await items(ivanov, SERVICE) == [ROOM]
    assert await items(ivanov, "conference.finance.example") == ["other@conference.finance.example"]


async def test_a_room_tells_what_it_is(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov", roomname="Tea", membersonly="1", publicroom="0", whois="moderators")
    told = await features(petrova, ROOM)
    assert {"muc_membersonly", "muc_hidden", "muc_persistent", "muc_semianonymous", "muc_unmoderated"} < told
    assert {"urn:xmpp:mam:2", "urn:xmpp:occupant-id:0", "urn:xmpp:sid:0"} < told
    answer = await ivanov.iq(INFO, to=ROOM)
    assert find(answer, "disco:query/disco:identity").get("name") == "Tea"
    form = {
        field.get("var"): field.findtext("data:value", "", NAMESPACES)
        for field in answer.iterfind("disco:query/data:x/data:field", NAMESPACES)
    }
    assert form["FORM_TYPE"] == f"{MUC}#roominfo"
    assert form["muc#roominfo_occupants"] == "1"
    await configure(ivanov, enablearchiving="0")
    assert "urn:xmpp:mam:2" not in await features(petrova, ROOM)
    node = "<query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'/>"
    assert (await petrova.iq(node, to=ROOM)).get("type") == "result"
    assert error_of(await petrova.iq(node.replace("x-roomuser-item", "x"), to=ROOM)) == "item-not-found"


async def test_occupants_are_shown_to_who_may_enter(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    for client in (ivanov, petrova):
        assert await items(client, ROOM) == [f"{ROOM}/ivanov"]
    await configure(ivanov, publicroom="0")
    assert await items(ivanov, ROOM) == [f"{ROOM}/ivanov"]
    assert await items(petrova, ROOM) == []
    assert error_of(await petrova.iq(ITEMS, to=f"nowhere@{SERVICE}")) == "item-not-found"
    assert error_of(await ivanov.iq("<query xmlns='jabber:iq:last'/>", to=ROOM)) == "service-unavailable"


async def test_self_ping(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    assert (await ivanov.iq(PING, to=f"{ROOM}/ivanov")).get("type") == "result"
    assert error_of(await petrova.iq(PING, to=f"{ROOM}/petrova")) == "not-acceptable"
    assert error_of(await ivanov.iq(PING, to=f"{ROOM}/nobody")) == "item-not-found"
    assert error_of(await ivanov.iq(PING, to=f"nowhere@{SERVICE}/ivanov")) == "not-acceptable"
    assert (await petrova.iq(PING, to=ROOM)).get("type") == "result"


async def test_occupants_ask_one_another(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    ivanov.send(f"<iq type='get' id='v' to='{ROOM}/petrova'><query xmlns='jabber:iq:version'/></iq>")
    asked = await petrova.receive("c:iq", lambda stanza: stanza.get("type") == "get")
    assert (asked.get("from"), asked.get("id")) == (f"{ROOM}/ivanov", "v")
    petrova.send(f"<iq type='result' id='v' to='{ROOM}/ivanov'><query xmlns='jabber:iq:version'/></iq>")
    answer = await ivanov.receive("c:iq", lambda stanza: stanza.get("id") == "v")
    assert (answer.get("from"), answer.get("type")) == (f"{ROOM}/petrova", "result")


async def archived(client: Client) -> int:
    """How many messages of the room's archive the client may read."""
    answer = await client.iq(ARCHIVE, "set", ROOM)
    assert answer.get("type") == "result", error_of(answer)
    seen = await client.settle()
    return sum(stanza.find("mam:result", NAMESPACES) is not None for stanza in seen)


async def test_the_archive_is_for_who_may_enter(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await create(ivanov, "ivanov")
    ivanov.send(say("one") + say("two"))
    await ivanov.message("two")
    assert await archived(petrova) == 2
    await configure(ivanov, membersonly="1")
    assert error_of(await petrova.iq(ARCHIVE, "set", ROOM)) == "forbidden"
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='member'/>")
    assert await archived(petrova) == 2
    await configure(ivanov, membersonly="0")
    await administer(ivanov, f"<item jid='{SIDOROV}' affiliation='outcast'/>")
    assert error_of(await sidorov.iq(ARCHIVE, "set", ROOM)) == "forbidden"
    form = await petrova.iq(ARCHIVE, to=ROOM)
    assert find(form, "mam:query/data:x").get("type") == "form"
    metadata = await petrova.iq("<metadata xmlns='urn:xmpp:mam:2'/>", to=ROOM)
    assert find(metadata, "mam:metadata/mam:start").get("id")
