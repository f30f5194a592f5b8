# SPDX-License-Identifier: Apache-2.0
"""Archives as clients see them: every bound and filter, words, preferences, what is archived, calls."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps import xep_0059_rsm
from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import NAMESPACES, Client, chat, error_of, find, text
from tests.xmpp.conftest import LogIn
from tests.xmpp.test_xep_0114_components import DOMAIN, SETTINGS, BotWorld, connected

BODY = "mam:result/forward:forwarded/c:message/c:body"
FULLTEXT = "{urn:xmpp:fulltext:0}fulltext"
CARBONS = "<enable xmlns='urn:xmpp:carbons:2'/>"
STORE = "<store xmlns='urn:xmpp:hints'/>"


def query(inner: str = "", **fields: str) -> str:
    """`fields` by name, with `_` for `-`."""
    form = "".join(
        f"<field var='{FULLTEXT if name == 'fulltext' else name.replace('_', '-')}'>"
        f"<value>{value}</value></field>"
        for name, value in fields.items()
    )
    form_type = "<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
    x = f"<x xmlns='jabber:x:data' type='submit'>{form_type}{form}</x>"
    return f"<query xmlns='urn:xmpp:mam:2'>{x}{inner}</query>"


def rsm(inner: str) -> str:
    return f"<set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>"


async def archived(
    client: Client, inner: str = "", to: str = "", **fields: str
) -> tuple[list[Element], Element]:
    """The results, and the `<fin/>`."""
    client.stanzas.clear()
    answer = await client.iq(query(inner, **fields), "set", to)
    assert answer.get("type") == "result", error_of(answer)
    found = [each for each in client.stanzas if each.find("mam:result", NAMESPACES) is not None]
    return found, find(answer, "mam:fin")


async def bodies(client: Client, inner: str = "", to: str = "", **fields: str) -> list[str]:
    results, _ = await archived(client, inner, to, **fields)
    return [text(result, BODY) for result in results]


async def said(client: Client, *messages: str) -> None:
    client.send("".join(messages))
    await client.settle()


async def test_count_and_index_and_pages_by_index(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await said(ivanov, *(chat(PETROVA, f"n{n}") for n in range(5)))
    seen = []
    for request in ("<max>2</max>", "<max>2</max><before/>", "<max>2</max><index>1</index>", "<max>0</max>"):
        results, fin = await archived(ivanov, rsm(request))
        first = fin.find("rsm:set/rsm:first", NAMESPACES)
        index = first.get("index") if first is not None else None
        seen.append(([text(each, BODY) for each in results], index, text(fin, "rsm:set/rsm:count")))
    assert seen == [
        (["n0", "n1"], "0", "5"),
        (["n3", "n4"], "3", "5"),
        (["n1", "n2"], "1", "5"),
        ([], None, "5"),
    ]
    results, fin = await archived(ivanov)
    ids = [find(each, "mam:result").get("id") or "" for each in results]
    assert fin.get("complete") == "true"
    assert await bodies(ivanov, after_id=ids[0], before_id=ids[3]) == ["n1", "n2"]
    results, fin = await archived(ivanov, rsm(f"<max>1</max><after>{ids[1]}</after>"), after_id=ids[0])
    assert find(fin, "rsm:set/rsm:first").get("index") == "1"
    assert (text(fin, "rsm:set/rsm:count"), fin.get("complete")) == ("4", None)
    assert await bodies(ivanov, rsm("<max>3</max>") + "<flip-page/>") == ["n2", "n1", "n0"]
    assert await bodies(ivanov, rsm("<index>9</index>")) == []


async def test_both_engines_answer_alike(tmp_path: Path, store_url: str) -> None:
    async with World(tmp_path, store_url=store_url) as world, Client(world, IVANOV) as ivanov:
        await ivanov.log_in()
        await said(ivanov, *(chat(PETROVA, f"приказ {n}") for n in range(5)), chat(SIDOROV, "приказы 5"))
        assert await bodies(ivanov, rsm("<max>2</max><before/>"), fulltext="приказом") == [
            "приказ 4",
            "приказы 5",
        ]
        _, fin = await archived(ivanov, rsm("<max>2</max><index>2</index>"), fulltext="при*")
        assert find(fin, "rsm:set/rsm:first").get("index") == "2"
        assert (text(fin, "rsm:set/rsm:count"), fin.get("complete")) == ("6", None)
        assert await bodies(ivanov, **{"with": f"{SIDOROV}/desk"}) == []
        assert await bodies(ivanov, **{"with": SIDOROV}) == ["приказы 5"]


@pytest.mark.parametrize(
    ("inner", "fields", "condition"),
    [
        ("", {"before_id": "17"}, "item-not-found"),
        ("", {"after_id": "x"}, "item-not-found"),
        ("", {"ids": "17"}, "item-not-found"),
        (rsm("<before>17</before>"), {}, "item-not-found"),
        (rsm("<max>-1</max>"), {}, "bad-request"),
        (rsm("<index>x</index>"), {}, "bad-request"),
        ("", {"start": "yesterday"}, "bad-request"),
        ("", {"with": "@"}, "jid-malformed"),
        ("", {"include_groupchat": "true"}, "feature-not-implemented"),
    ],
)
async def test_what_is_refused(log_in: LogIn, inner: str, fields: dict[str, str], condition: str) -> None:
    ivanov = await log_in(IVANOV)
    assert error_of(await ivanov.iq(query(inner, **fields), "set")) == condition


async def test_with_a_full_jid_is_that_resource_alone(log_in: LogIn) -> None:
    ivanov, desk, phone = (
        await log_in(IVANOV, "desk"),
        await log_in(PETROVA, "desk"),
        await log_in(PETROVA, "phone"),
    )
    await said(ivanov, chat(desk.full, "to desk"), chat(phone.full, "to phone"), chat(PETROVA, "to both"))
    await said(phone, chat(IVANOV, "from phone"))
    await said(ivanov, chat(IVANOV, "note to myself"))
    assert await bodies(ivanov, **{"with": phone.full}) == ["to phone", "from phone"]
    assert await bodies(ivanov, **{"with": PETROVA}) == ["to desk", "to phone", "to both", "from phone"]
    assert await bodies(desk, **{"with": ivanov.full}) == ["to desk", "to phone", "to both"]
    assert await bodies(ivanov, **{"with": IVANOV}) == ["note to myself"]


async def test_words_are_found_in_the_archives_of_people_and_rooms(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV, "desk"), await log_in(PETROVA)
    await said(
        ivanov, chat(PETROVA, "Отчёты готовы", id_="o1"), chat(SIDOROV, "Жду отчёта"), chat(PETROVA, "Обед?")
    )
    assert await bodies(ivanov, fulltext="отчет") == ["Отчёты готовы", "Жду отчёта"]
    assert await bodies(ivanov, fulltext="отчет", **{"with": PETROVA}) == ["Отчёты готовы"]
    assert await bodies(petrova, fulltext="готовы отчет") == ["Отчёты готовы"]
    results, fin = await archived(ivanov, rsm("<max>1</max><before/>"), fulltext="отч*")
    assert [text(each, BODY) for each in results] == ["Жду отчёта"]
    assert (text(fin, "rsm:set/rsm:count"), fin.get("complete")) == ("2", None)
    await said(
        ivanov,
        f"<message type='chat' to='{PETROVA}' id='r1'>"
        "<retract xmlns='urn:xmpp:message-retract:1' id='o1'/></message>",
    )
    assert await bodies(petrova, fulltext="отчет") == []
    assert await bodies(ivanov, fulltext="отчет") == ["Жду отчёта"]
    room = "room@conference.digital.example"
    ivanov.send(f"<presence to='{room}/Ivan'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    await ivanov.presence_of(f"{room}/Ivan")
    await ivanov.iq(
        "<query xmlns='http://jabber.org/protocol/muc#owner'>"
        "<x xmlns='jabber:x:data' type='submit'/></query>",
        "set",
        room,
    )
    ivanov.send(f"<message type='groupchat' to='{room}'><body>Протокол совещания</body></message>")
    await ivanov.message("Протокол совещания")
    assert await bodies(ivanov, to=room, fulltext="протоколы") == ["Протокол совещания"]
    assert await bodies(ivanov, to=room, **{"with": f"{room}/Ivan"}) == ["Протокол совещания"]
    assert await bodies(ivanov, to=room, **{"with": f"{room}/Anna"}) == []


async def test_the_form_and_the_features_name_what_there_is(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    form = await ivanov.iq("<query xmlns='urn:xmpp:mam:2'/>")
    fields = {each.get("var"): each.get("type") for each in form.iter("{jabber:x:data}field")}
    assert fields == {
        "FORM_TYPE": "hidden",
        "with": "jid-single",
        "start": "text-single",
        "end": "text-single",
        "before-id": "text-single",
        "after-id": "text-single",
        "ids": "list-multi",
        FULLTEXT: "text-single",
    }
    assert form.find(".//{http://jabber.org/protocol/xdata-validate}open") is not None
    info = await ivanov.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=IVANOV)
    features = {each.get("var") for each in info.iter("{http://jabber.org/protocol/disco#info}feature")}
    assert features >= {
        "urn:xmpp:mam:2",
        "urn:xmpp:mam:2#extended",
        "urn:xmpp:fulltext:0",
        "urn:xmpp:push:0",
        "urn:xmpp:message-retract:1",
        "urn:xmpp:message-retract:1#tombstone",
    }


def prefs(default: str, always: str = "", never: str = "") -> str:
    lists = "".join(
        f"<{name}>{f'<jid>{jid}</jid>' if jid else ''}</{name}>"
        for name, jid in (("always", always), ("never", never))
    )
    return f"<prefs xmlns='urn:xmpp:mam:2' default='{default}'>{lists}</prefs>"


async def test_each_side_archives_what_it_wants(log_in: LogIn) -> None:
    ivanov, sidorov = await log_in(IVANOV), await log_in(SIDOROV, "desk")
    answer = await sidorov.iq("<prefs xmlns='urn:xmpp:mam:2'/>")
    assert find(answer, "mam:prefs").get("default") == "always"
    answer = await sidorov.iq(prefs("always", never=IVANOV.upper()), "set")
    assert text(answer, "mam:prefs/mam:never/mam:jid") == IVANOV
    await said(ivanov, chat(SIDOROV, "one"))
    assert (await sidorov.message("one")).find("sid:stanza-id", NAMESPACES) is None
    assert (await bodies(sidorov), await bodies(ivanov)) == ([], ["one"])
    await sidorov.iq(prefs("never", always=f"{IVANOV}/elsewhere"), "set")
    await said(ivanov, chat(SIDOROV, "two"))
    assert await bodies(sidorov) == []
    await sidorov.iq(prefs("roster"), "set")
    await said(ivanov, chat(SIDOROV, "three"))
    assert await bodies(sidorov) == []
    await sidorov.iq(f"<query xmlns='jabber:iq:roster'><item jid='{IVANOV}'/></query>", "set")
    await said(ivanov, chat(SIDOROV, "four"))
    await said(sidorov, chat(IVANOV, "five"))
    assert (await bodies(sidorov), await bodies(ivanov)) == (
        ["four", "five"],
        ["one", "two", "three", "four", "five"],
    )
    await sidorov.iq(prefs("never"), "set")
    await sidorov.disconnect()
    await said(ivanov, chat(SIDOROV, "while away"))
    again = await log_in(SIDOROV, "desk")
    await again.message("while away")
    assert await bodies(again) == ["four", "five"]
    assert error_of(await again.iq(prefs("sometimes"), "set")) == "bad-request"
    petrova = await log_in(PETROVA)
    await petrova.iq(prefs("roster"), "set")
    await said(ivanov, chat(PETROVA, "to a colleague"))
    assert await bodies(petrova) == ["to a colleague"]


async def test_where_everything_is_archived_nobody_chooses(tmp_path: Path) -> None:
    settings = {"xmpp": {"archive_preferences": False}}
    async with (
        World(tmp_path, settings=settings) as world,
        Client(world, IVANOV) as ivanov,
        Client(world, PETROVA) as petrova,
    ):
        for client in (ivanov, petrova):
            await client.log_in()
            await client.go_online()
        answer = await petrova.iq("<prefs xmlns='urn:xmpp:mam:2'/>")
        assert find(answer, "mam:prefs").get("default") == "always"
        assert error_of(await petrova.iq(prefs("never"), "set")) == "not-allowed"
        await said(ivanov, chat(PETROVA, "kept"))
        assert await bodies(petrova) == ["kept"]


@pytest.mark.parametrize(
    "payload",
    [
        "<received xmlns='urn:xmpp:receipts' id='1'/>",
        "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>",
        "<reactions xmlns='urn:xmpp:reactions:0' id='1'><reaction>👍</reaction></reactions>",
        "<apply-to xmlns='urn:xmpp:fasten:0' id='1'/>",
        "<reference xmlns='urn:xmpp:reference:0' type='data' uri='https://x.example/1'/>",
        "<file-sharing xmlns='urn:xmpp:sfs:0'/>",
        "<invite xmlns='urn:xmpp:call-invites:0'/>",
        "<left xmlns='urn:xmpp:call-invites:0' id='1'/>",
        f"<anything xmlns='urn:example'/>{STORE}",
    ],
)
async def test_what_has_no_body_and_yet_is_archived(log_in: LogIn, payload: str) -> None:
    ivanov = await log_in(IVANOV)
    composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    await said(
        ivanov, *(f"<message type='chat' to='{PETROVA}'>{each}</message>" for each in (payload, composing))
    )
    results, _ = await archived(ivanov)
    assert len(results) == 1
    name = find(results[0], "mam:result/forward:forwarded/c:message")[0].tag.rpartition("}")[2]
    assert payload.startswith(f"<{name} ")


async def test_not_archived_is_not_forgotten(log_in: LogIn) -> None:
    """XEP-0334 §4.1: no-permanent-store."""
    ivanov = await log_in(IVANOV)
    await said(ivanov, chat(PETROVA, "for a moment", extra="<no-permanent-store xmlns='urn:xmpp:hints'/>"))
    petrova = await log_in(PETROVA)
    await petrova.message("for a moment")
    assert (await bodies(petrova), await bodies(ivanov)) == ([], [])


async def test_a_call_rings_everywhere_and_a_missed_one_is_in_the_archive(log_in: LogIn) -> None:
    ivanov, pad = await log_in(IVANOV, "desk"), await log_in(IVANOV, "pad")
    desk, phone = await log_in(PETROVA, "desk"), await log_in(PETROVA, "phone")
    for client in (pad, desk, phone):
        await client.iq(CARBONS, "set")

    def call(name: str, to: str, inner: str = "", hint: str = STORE) -> str:
        return (
            f"<message type='chat' to='{to}' id='{name}'>"
            f"<{name} xmlns='urn:xmpp:jingle-message:0' id='c1'>{inner}</{name}>{hint}</message>"
        )

    ivanov.send(call("propose", PETROVA, "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>"))
    for device in (desk, phone):
        assert (await device.message()).get("id") == "propose"
    assert find(await pad.message(), "carbons:sent/forward:forwarded/c:message").get("id") == "propose"
    desk.send(call("ringing", ivanov.full, hint=""))
    assert (await ivanov.message()).get("id") == "ringing"
    phone.send(call("proceed", ivanov.full))
    assert (await ivanov.message()).get("id") == "proceed"
    copies = [
        find(await desk.message(), "carbons:sent/forward:forwarded/c:message").get("id") for _ in range(1)
    ]
    assert copies == ["proceed"]
    phone.send(call("finish", ivanov.full, "<reason xmlns='urn:xmpp:jingle:1'><success/></reason>"))
    await ivanov.message()
    await said(ivanov, call("propose", SIDOROV), call("retract", SIDOROV))
    sidorov = await log_in(SIDOROV)
    results, _ = await archived(sidorov)
    path = "mam:result/forward:forwarded/c:message"
    assert [find(each, path).get("id") for each in results] == ["propose", "retract"]
    results, _ = await archived(phone)
    assert [find(each, path).get("id") for each in results] == ["propose", "proceed", "finish"]


async def test_jingle_is_relayed_byte_for_byte(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV, "desk"), await log_in(PETROVA, "phone")
    jingle = (
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate'  sid=\"a73\" initiator='x'>\n"
        "<content creator='initiator' name='voice'>"
        "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>"
        "<payload-type id='0' name=\"PCMU\"/></description>"
        "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' pwd='p&quot;' ufrag='8hhy'>"
        "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256'>02:1A</fingerprint></transport>"
        "</content><muji xmlns='urn:xmpp:jingle:muji:0' room='r@conference.digital.example'/></jingle>"
    )
    raw = []
    read = petrova.reader.read

    async def recording(size: int) -> bytes:
        raw.append(await read(size))
        return raw[-1]

    petrova.reader.read = recording  # type: ignore[method-assign]
    ivanov.send(f"<iq type='set' id='j1' to='{petrova.full}'>{jingle}</iq>")
    await petrova.receive("c:iq", lambda stanza: stanza.get("id") == "j1")
    assert jingle.encode() in b"".join(raw)
    petrova.send(f"<iq type='result' id='j1' to='{ivanov.full}'/>")
    assert (await ivanov.receive("c:iq", lambda stanza: stanza.get("id") == "j1")).get("type") == "result"


@given(
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=25), st.sampled_from(["max", "index"])
)
def test_numbers_of_a_page_request(value: str, name: str) -> None:
    root = etree.Element("query")
    page = etree.SubElement(root, f"{{{xep_0059_rsm.NAMESPACE}}}set")
    etree.SubElement(page, f"{{{xep_0059_rsm.NAMESPACE}}}{name}").text = value
    try:
        parsed = xep_0059_rsm.parse_set(root, 50, by_index=True)
    except StanzaError as error:
        assert error.condition == "bad-request"
        assert not (value.isascii() and value.isdecimal() and len(value) < 19)
    else:
        assert 0 <= parsed.max <= 50
        assert parsed.index is None or parsed.index >= 0


async def test_what_goes_to_others_is_kept_on_our_side(tmp_path: Path) -> None:
    """Another server's or a component's address: preferences and tombstones hold for the sender's archive."""
    async with (
        BotWorld(tmp_path, settings=SETTINGS) as world,
        AsyncExitStack() as stack,
        Client(world, IVANOV, "desk") as ivanov,
    ):
        component = await connected(world, stack)
        await ivanov.log_in()
        await said(
            ivanov, chat(f"bot@{DOMAIN}/x", "mistake", id_="m1"), chat(f"bot@{DOMAIN}", "kept", id_="m2")
        )
        assert await bodies(ivanov, **{"with": f"bot@{DOMAIN}"}) == ["mistake", "kept"]
        assert await bodies(ivanov, **{"with": f"bot@{DOMAIN}/x"}) == ["mistake"]
        retract = "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/>"
        await said(ivanov, f"<message type='chat' to='bot@{DOMAIN}' id='r1'>{retract}</message>")
        results, _ = await archived(ivanov)
        path = "mam:result/forward:forwarded/c:message"
        first = find(results[0], path)
        assert (first.get("id"), [child.tag for child in first]) == (
            "m1",
            ["{urn:xmpp:message-retract:1}retracted"],
        )
        await ivanov.iq(prefs("always", never=f"bot@{DOMAIN}"), "set")
        await said(ivanov, chat(f"bot@{DOMAIN}", "between us"))
        assert len((await archived(ivanov))[0]) == 3
        seen = [await component.next() for _ in range(4)]
        assert [each.get("id") for each in seen if each is not None] == ["m1", "m2", "r1", None]
        component.send(
            f"<message type='chat' from='bot@{DOMAIN}/x' to='{IVANOV}'><body>answer</body></message>"
        )
        await ivanov.go_online()
        await ivanov.message("answer")
        assert len((await archived(ivanov))[0]) == 3
