# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.10, §7.12, §9.9: registering with a room, reserved nicknames, approval."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import pytest

from tests.world import IVANOV, PETROVA, SIDOROV
from tests.xmpp.client import NAMESPACES, Client, error_of, find, text
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import MUC, ROOM, administer, create, enter, entry, item

REGISTER = "jabber:iq:register"
NAMESPACES["register"] = REGISTER
ASK = f"<query xmlns='{REGISTER}'/>"
NICK = "<query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'/>"


def form(type_: str = "submit", **fields: str) -> str:
    inner = "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in fields.items())
    head = f"<field var='FORM_TYPE'><value>{MUC}#register</value></field>"
    return f"<x xmlns='jabber:x:data' type='{type_}'>{head}{inner}</x>"


async def register(client: Client, nick: str) -> Element:
    filled = form(**{"muc#register_roomnick": nick})
    return await client.iq(f"<query xmlns='{REGISTER}'>{filled}</query>", "set", ROOM)


async def test_who_registers_is_a_member_with_a_nickname(log_in: LogIn) -> None:
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    asked = await petrova.iq(ASK, to=ROOM)
    fields = {each.get("var") for each in asked.iterfind("register:query/data:x/data:field", NAMESPACES)}
    assert fields == {"FORM_TYPE", "muc#register_roomnick"}
    assert (await register(petrova, "Pet")).get("type") == "result"
    for client in (ivanov, petrova):
        seen = await client.receive(
            "c:presence",
            lambda stanza: (
                stanza.get("from") == f"{ROOM}/petrova" and item(stanza)["affiliation"] == "member"
            ),
        )
        assert item(seen)["role"] == "participant"
    registered = await petrova.iq(ASK, to=ROOM)
    assert find(registered, "register:query/register:registered") is not None
    assert text(registered, "register:query/register:username") == "Pet"
    identity = find(await petrova.iq(NICK, to=ROOM), "disco:query/disco:identity")
    assert (identity.get("category"), identity.get("type"), identity.get("name")) == (
        "conference",
        "text",
        "Pet",
    )
    sidorov.send(entry("Pet"))
    assert error_of(await sidorov.presence_of(f"{ROOM}/Pet", "error")) == "conflict"
    assert error_of(await register(sidorov, "Pet")) == "conflict"
    ivanov.send(f"<presence to='{ROOM}/Pet'/>")
    assert error_of(await ivanov.presence_of(f"{ROOM}/Pet", "error")) == "conflict"


async def test_who_has_no_nickname_is_told_nothing(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov")
    answer = find(await ivanov.iq(NICK, to=ROOM), "disco:query")
    assert list(answer) == []


async def test_a_registration_is_given_up(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    remove = f"<query xmlns='{REGISTER}'><remove/></query>"
    assert error_of(await petrova.iq(remove, "set", ROOM)) == "registration-required"
    await register(petrova, "Pet")
    assert (await petrova.iq(remove, "set", ROOM)).get("type") == "result"
    await enter(ivanov, "ivanov")
    assert item(await enter(petrova, "petrova"))["affiliation"] == "none"


@pytest.mark.parametrize(
    "query",
    [
        f"<query xmlns='{REGISTER}'/>",
        f"<query xmlns='{REGISTER}'>{form()}</query>",
        f"<query xmlns='{REGISTER}'><x xmlns='jabber:x:data' type='submit'/></query>",
        f"<query xmlns='{REGISTER}'>{form('cancel', **{'muc#register_roomnick': 'Pet'})}</query>",
        f"<query xmlns='{REGISTER}'>{form(**{'muc#register_roomnick': ' '})}</query>",
    ],
)
async def test_a_form_that_says_nothing(log_in: LogIn, query: str) -> None:
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov")
    assert error_of(await ivanov.iq(query, "set", ROOM)) == "bad-request"


async def test_banned_people_do_not_register(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='outcast'/>")
    assert error_of(await petrova.iq(ASK, to=ROOM)) == "not-allowed"
    assert error_of(await register(petrova, "Pet")) == "not-allowed"


async def test_admins_let_members_in(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov", membersonly="1")
    assert (await register(petrova, "Pet")).get("type") == "result"
    request = await ivanov.receive("c:message", lambda stanza: stanza.find("data:x", NAMESPACES) is not None)
    values = {
        each.get("var"): text(each, "data:value")
        for each in request.iterfind("data:x/data:field", NAMESPACES)
    }
    assert values["muc#jid"] == PETROVA
    petrova.send(entry("Pet"))
    assert error_of(await petrova.presence_of(f"{ROOM}/Pet", "error")) == "registration-required"
    allowed = {"muc#jid": PETROVA, "muc#register_roomnick": "Pet", "muc#register_allow": "1"}
    petrova.send(f"<message to='{ROOM}'>{form(**allowed)}</message>")
    refusal = await petrova.receive("c:message", lambda stanza: stanza.get("type") == "error")
    assert error_of(refusal) == "forbidden"
    ivanov.send(f"<message to='{ROOM}'>{form(**allowed)}</message>")
    invitation = await petrova.receive(
        "c:message", lambda stanza: stanza.find("user:x/user:invite", NAMESPACES) is not None
    )
    assert invitation.get("from") == ROOM
    assert item(await enter(petrova, "Pet"))["affiliation"] == "member"


async def test_an_admin_reserves_and_a_ban_takes_it_away(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov")
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='member' nick='Pet'/>")
    listed = await ivanov.iq(f"<query xmlns='{MUC}#admin'><item affiliation='member'/></query>", to=ROOM)
    assert find(listed, "admin:query/admin:item").get("nick") == "Pet"
    await administer(ivanov, f"<item jid='{PETROVA}' affiliation='outcast'><reason>spam</reason></item>")
    listed = await ivanov.iq(f"<query xmlns='{MUC}#admin'><item affiliation='outcast'/></query>", to=ROOM)
    banned = find(listed, "admin:query/admin:item")
    assert (banned.get("nick"), text(banned, "admin:reason")) == (None, "spam")
    assert (await register(ivanov, "Pet")).get("type") == "result"
