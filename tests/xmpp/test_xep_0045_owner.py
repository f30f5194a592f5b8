# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §10: setting a room up, configuring it, destroying it; what a restart leaves of it."""

from __future__ import annotations

from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import NAMESPACES, Client, error_of, find, text
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import MUC, ROOM, codes, configure, create, enter, entry, item, say

QUERY = f"<query xmlns='{MUC}#owner'/>"


async def exists(client: Client) -> bool:
    answer = await client.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=ROOM)
    return answer.get("type") == "result"


async def test_a_reserved_room_is_configured_before_anybody_enters(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await enter(ivanov, "ivanov")
    assert not await exists(petrova)
    form = find(await ivanov.iq(QUERY, to=ROOM), "owner:query/data:x")
    fields = {field.get("var"): field for field in form.iterfind("data:field", NAMESPACES)}
    assert text(fields["muc#roomconfig_persistentroom"], "data:value") == "1"
    assert fields["muc#roomconfig_whois"].get("type") == "list-single"
    answer = await configure(ivanov, roomname="Tea room", membersonly="1", unheard_of="1")
    assert answer.get("type") == "result"
    petrova.send(entry("petrova"))
    assert error_of(await petrova.presence_of(f"{ROOM}/petrova", "error")) == "registration-required"


async def test_a_room_that_is_not_set_up_after_all(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await enter(ivanov, "ivanov")
    cancel = f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='cancel'/></query>"
    assert (await ivanov.iq(cancel, "set", ROOM)).get("type") == "result"
    await ivanov.presence_of(f"{ROOM}/ivanov", "unavailable")
    assert not await exists(ivanov)
    await enter(ivanov, "ivanov")
    ivanov.send(f"<presence to='{ROOM}/ivanov' type='unavailable'/>")
    await ivanov.presence_of(f"{ROOM}/ivanov", "unavailable")
    assert not await exists(ivanov)


async def test_a_form_that_makes_no_sense_changes_nothing(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    for field, value in (
        ("membersonly", "perhaps"),
        ("whois", "nobody"),
        ("maxusers", "-1"),
        ("roomname", "x" * 3001),
        ("passwordprotectedroom", "1"),
    ):
        assert error_of(await configure(ivanov, **{field: value})) == "not-acceptable"
    other = "<field var='FORM_TYPE'><value>other</value></field>"
    form = f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'>{other}</x></query>"
    assert error_of(await ivanov.iq(form, "set", ROOM)) == "bad-request"
    assert error_of(await ivanov.iq(QUERY, "set", ROOM)) == "bad-request"
    assert error_of(await petrova.iq(QUERY, to=ROOM)) == "forbidden"
    assert error_of(await configure(petrova, roomname="mine")) == "forbidden"


async def test_members_stay_when_a_room_is_closed_to_others(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    await configure(ivanov, membersonly="1")
    assert codes(await petrova.presence_of(f"{ROOM}/petrova", "unavailable")) == [110, 322]
    notice = await ivanov.receive(
        "c:message", lambda stanza: stanza.get("from") == ROOM and bool(codes(stanza))
    )
    assert codes(notice) == [104]


async def test_a_destroyed_room_is_gone_with_its_archive(log_in: LogIn, world: World) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")
    petrova.send(say("soon gone"))
    await ivanov.message("soon gone")
    destroy = "<destroy jid='coffee@conference.digital.example'><reason>moved</reason></destroy>"
    request = f"<query xmlns='{MUC}#owner'>{destroy}</query>"
    assert error_of(await petrova.iq(request, "set", ROOM)) == "forbidden"
    assert (await ivanov.iq(request, "set", ROOM)).get("type") == "result"
    gone = await petrova.presence_of(f"{ROOM}/petrova", "unavailable")
    assert item(gone)["role"] == "none"
    assert find(gone, "user:x/user:destroy").get("jid") == "coffee@conference.digital.example"
    assert text(gone, "user:x/user:destroy/user:reason") == "moved"
    assert not await exists(ivanov)
    assert await world.directory.by_address(ROOM) is None
    left = await world.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM archive WHERE peer = 'petrova'"))
    assert left == 0
