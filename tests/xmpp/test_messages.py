# SPDX-License-Identifier: Apache-2.0
"""Routing of messages: RFC 6121 §8, XEP-0160, XEP-0280, XEP-0313, with other devices watching."""

from __future__ import annotations

from armgs_server.storage.sqlite import SqliteEngine
from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import NAMESPACES, chat, error_of, find, text
from tests.xmpp.conftest import LogIn

CARBONS = "<enable xmlns='urn:xmpp:carbons:2'/>"


def query(inner: str = "", fields: str = "") -> str:
    form = ""
    if fields:
        form = (
            "<x xmlns='jabber:x:data' type='submit'>"
            f"<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>{fields}</x>"
        )
    return f"<query xmlns='urn:xmpp:mam:2' queryid='f'>{form}{inner}</query>"


def rsm(inner: str) -> str:
    return f"<set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>"


async def test_chat_reaches_all_devices_with_its_archive_id(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV, "desk")
    desk, phone = await log_in(PETROVA, "desk"), await log_in(PETROVA, "phone")
    ivanov.send(chat(PETROVA, "Привет", id_="m1"))
    for device in (desk, phone):
        message = await device.message("Привет")
        assert message.get("from") == f"{IVANOV}/desk"
        assert message.get("id") == "m1"
        assert find(message, "sid:stanza-id").get("by") == PETROVA


async def test_order_is_kept_between_archived_and_other_stanzas(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    ivanov.send(
        chat(PETROVA, "1")
        + f"<message type='chat' to='{PETROVA}' id='state'>{state}</message>"
        + f"<presence to='{petrova.full}' id='seen'/>"
        + chat(PETROVA, "2")
    )
    await petrova.message("2")
    kept = [stanza.get("id") or stanza.findtext("c:body", None, NAMESPACES) for stanza in petrova.stanzas]
    assert kept[-3:] == ["1", "state", "seen"]


async def test_more_than_a_connection_may_hold_waits_and_arrives_whole(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    for number in range(200):
        ivanov.send(chat(PETROVA, f"{number} " + "x" * 60_000))
    await ivanov.settle()
    petrova = await log_in(PETROVA, online=False)
    petrova.send("<presence/>")
    for number in range(200):
        assert text(await petrova.message(), "c:body").startswith(f"{number} ")


async def test_offline_messages_are_delivered_once_with_their_time(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    ivanov.send(chat(PETROVA, "while you were out") + chat(PETROVA, "and again"))
    await ivanov.settle()
    petrova = await log_in(PETROVA, online=False)
    petrova.send("<presence/>")
    message = await petrova.message()
    assert text(message, "c:body") == "while you were out"
    assert find(message, "delay:delay").get("from") == "digital.example"
    assert find(message, "sid:stanza-id").get("by") == PETROVA
    assert text(await petrova.message(), "c:body") == "and again"
    other = await log_in(PETROVA)
    assert not [stanza for stanza in await other.settle() if stanza.tag.endswith("message")]


async def test_negative_priority_gets_no_messages(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    petrova = await log_in(PETROVA, online=False)
    await petrova.go_online("<presence><priority>-1</priority></presence>")
    ivanov.send(chat(PETROVA, "not for you"))
    await ivanov.settle()
    assert not [stanza for stanza in await petrova.settle() if stanza.tag.endswith("message")]
    petrova.send("<presence/>")
    await petrova.message("not for you")


async def test_chat_to_a_resource_that_left_goes_to_the_others(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA, "desk")
    ivanov.send(chat(f"{PETROVA}/gone", "still here"))
    assert (await petrova.message("still here")).get("from") == ivanov.full


async def test_refused_messages(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    for to, type_, condition in (
        ("nobody@digital.example", "chat", "service-unavailable"),
        ("a@elsewhere.example", "chat", "remote-server-not-found"),
        (PETROVA, "groupchat", "service-unavailable"),
        (f"{PETROVA}/none", "headline", "service-unavailable"),
        ("a@@b", "chat", "jid-malformed"),
    ):
        ivanov.send(f"<message to='{to}' type='{type_}' id='x'><body>x</body></message>")
        assert error_of(await ivanov.message(None)) == condition, (to, type_)


async def test_no_store_is_neither_archived_nor_kept(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    ivanov.send(chat(PETROVA, "secret", extra="<no-store xmlns='urn:xmpp:hints'/>"))
    assert error_of(await ivanov.message()) == "service-unavailable"
    fin = await ivanov.iq(query(), "set")
    assert find(fin, "mam:fin").get("complete") == "true"
    assert not ivanov.stanzas


async def test_forged_stanza_id_is_taken_out(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    forged = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{PETROVA}' id='forged'/>"
    ivanov.send(chat(PETROVA, "x", extra=forged))
    ids = [each.get("id") for each in (await petrova.message("x")).iterfind("sid:stanza-id", NAMESPACES)]
    assert len(ids) == 1
    assert ids != ["forged"]


async def test_carbons_in_both_directions(log_in: LogIn) -> None:
    ivanov, ivanov_phone = await log_in(IVANOV, "desk"), await log_in(IVANOV, "phone")
    petrova, petrova_phone = await log_in(PETROVA, "desk"), await log_in(PETROVA, "phone")
    for device in (ivanov_phone, petrova_phone):
        assert (await device.iq(CARBONS, "set")).get("type") == "result"
    ivanov.send(chat(petrova.full, "copied", id_="m"))
    await petrova.message("copied")
    sent = await ivanov_phone.message()
    assert sent.get("from") == IVANOV
    copy = find(sent, "carbons:sent/forward:forwarded/c:message")
    assert (copy.get("from"), copy.get("to"), copy.get("id")) == (ivanov.full, petrova.full, "m")
    assert find(copy, "sid:stanza-id").get("by") == IVANOV
    received = await petrova_phone.message()
    assert received.get("from") == PETROVA
    assert text(received, "carbons:received/forward:forwarded/c:message/c:body") == "copied"


async def test_carbons_are_not_made_of_private_or_room_messages(log_in: LogIn) -> None:
    ivanov, phone = await log_in(IVANOV, "desk"), await log_in(IVANOV, "phone")
    petrova = await log_in(PETROVA, "desk")
    await phone.iq(CARBONS, "set")
    ivanov.send(chat(petrova.full, "private", extra="<private xmlns='urn:xmpp:carbons:2'/>"))
    ivanov.send(chat(petrova.full, "no copy", extra="<no-copy xmlns='urn:xmpp:hints'/>"))
    await petrova.message("no copy")
    await ivanov.settle()
    assert not [stanza for stanza in await phone.settle() if stanza.tag.endswith("message")]
    await phone.iq("<disable xmlns='urn:xmpp:carbons:2'/>", "set")
    ivanov.send(chat(petrova.full, "off"))
    await ivanov.settle()
    assert not [stanza for stanza in await phone.settle() if stanza.tag.endswith("message")]


async def test_archive_has_both_sides_and_pages(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    ivanov.send("".join(chat(PETROVA, f"n{number}") for number in range(5)))
    await petrova.message("n4")
    petrova.stanzas.clear()
    for client, peer in ((ivanov, PETROVA), (petrova, IVANOV)):
        with_peer = f"<field var='with'><value>{peer}</value></field>"
        fin = find(await client.iq(query(rsm("<max>2</max>"), with_peer), "set"), "mam:fin")
        assert fin.get("complete") is None
        page = [await client.message() for _ in range(2)]
        path = "mam:result/forward:forwarded/c:message/c:body"
        assert [text(each, path) for each in page] == ["n0", "n1"]
        assert find(page[0], "mam:result").get("queryid") == "f"
        last = text(fin, "rsm:set/rsm:last")
        assert last == find(page[1], "mam:result").get("id")
        fin = find(await client.iq(query(rsm("<max>0</max>"), with_peer), "set"), "mam:fin")
        assert (fin.get("complete"), text(fin, "rsm:set/rsm:count")) == (None, "5")
        fin = find(await client.iq(query(rsm(f"<max>9</max><after>{last}</after>")), "set"), "mam:fin")
        assert fin.get("complete") == "true"
        assert [text(await client.message(), path) for _ in range(3)] == ["n2", "n3", "n4"]
        fin = find(await client.iq(query(rsm("<max>2</max><before/>") + "<flip-page/>"), "set"), "mam:fin")
        assert [text(await client.message(), path) for _ in range(2)] == ["n4", "n3"]


async def test_archive_by_time_ids_and_wrong_ids(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    ivanov.send(chat(PETROVA, "old") + chat(PETROVA, "new"))
    await ivanov.settle()
    await ivanov.iq(query(), "set")
    ids = [find(await ivanov.message(), "mam:result").get("id") for _ in range(2)]
    await ivanov.iq(query("", f"<field var='ids'><value>{ids[1]}</value></field>"), "set")
    assert find(await ivanov.message(), "mam:result").get("id") == ids[1]
    future = "<field var='start'><value>2999-01-01T00:00:00Z</value></field>"
    fin = await ivanov.iq(query("", future), "set")
    assert find(fin, "mam:fin").get("complete") == "true"
    assert not ivanov.stanzas
    assert error_of(await ivanov.iq(query(rsm("<after>77</after>")), "set")) == "item-not-found"
    unknown = "<field var='{urn:x}y'><value>1</value></field>"
    assert error_of(await ivanov.iq(query("", unknown), "set")) == "feature-not-implemented"
    count = await ivanov.iq(query(rsm("<max>0</max>")), "set")
    assert text(count, "mam:fin/rsm:set/rsm:count") == "2"
    metadata = await ivanov.iq("<metadata xmlns='urn:xmpp:mam:2'/>")
    assert find(metadata, "mam:metadata/mam:start").get("id") == ids[0]
    assert find(metadata, "mam:metadata/mam:end").get("id") == ids[1]


async def test_nobody_reads_another_archive(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    assert error_of(await ivanov.iq(query(), "set", to=PETROVA)) == "service-unavailable"


async def test_a_full_disk_delivers_nothing_and_passes(world: World, log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    engine = world.store._engine
    assert isinstance(engine, SqliteEngine)
    pages = engine._writer_db.execute("PRAGMA page_count").fetchall()[0][0]
    engine._writer_db.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall()
    ivanov.send(chat(PETROVA, "x" * 200_000, id_="m"))
    refused = await ivanov.message()
    assert error_of(refused) == "internal-server-error"
    assert find(refused, "c:error").get("type") == "wait"
    assert not [stanza for stanza in await petrova.settle() if stanza.tag.endswith("message")]
    engine._writer_db.execute("PRAGMA max_page_count = 1000000").fetchall()
    ivanov.send(chat(PETROVA, "here"))
    await petrova.message("here")
