# SPDX-License-Identifier: Apache-2.0
"""XEP-0472, XEP-0277: posts at nodes, over HTTP as Atom, and said in the room of a channel."""

from __future__ import annotations

import base64

import pytest
from lxml import etree

from armgs_server.xmpp.xeps.xep_0472_feed import ATOM, namespace_of, text_of
from tests.world import IVANOV, PASSWORD, PETROVA, SIDOROV, World
from tests.xmpp.client import NAMESPACES
from tests.xmpp.conftest import LogIn
from tests.xmpp.nodes import SERVICE, configure, create, done, entry, item, publish, refused, subscribe
from tests.xmpp.rooms import ROOM, administer, enter, say
from tests.xmpp.rooms import create as create_room
from tests.xmpp.test_upload import http

MICROBLOG = "urn:xmpp:microblog:0"
CHANNEL = "{urn:armgs:channel:0}room"
A = f"{{{ATOM}}}"


def basic(jid: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{jid}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ("<title>a</title>", "a"),
        ("<title>a</title><summary>b</summary>", "a\nb"),
        ("<title>a</title><summary>a, and more</summary>", "a, and more"),
        ("<title type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>a <b>b</b></div></title>", "a b"),
        ("<content type='xhtml'>markup</content><content type='text'>plain</content>", "plain"),
        ("<title>a</title><link rel='alternate' href='https://x.example/'/>", "a\nhttps://x.example/"),
        ("", ""),
    ],
)
def test_the_text_of_an_entry(inner: str, text: str) -> None:
    assert text_of(etree.fromstring(f"<entry xmlns='{ATOM}'>{inner}</entry>")) == text


def test_what_is_no_entry_has_no_text() -> None:
    assert text_of(etree.fromstring("<x><title>a</title></x>")) == ""
    assert namespace_of("urn:xmpp:pubsub-social-feed:gallery:1") == namespace_of(MICROBLOG) == ATOM
    assert namespace_of("urn:x") == "urn:x"


async def test_a_feed_over_http(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    done(await create(ivanov, "новости/дня", type=ATOM, title="Новости", description="Все"))
    whole = (
        f"<entry xmlns='{ATOM}'><id>tag:x,2026:1</id><title>Первая</title>"
        "<updated>2026-01-02T03:04:05Z</updated><author><name>Пресс-служба</name></author></entry>"
    )
    done(await publish(ivanov, "новости/дня", item("1", whole)))
    done(await publish(ivanov, "новости/дня", item("2", entry("Вторая"))))
    url = world.url(f"/feed/{SERVICE}/%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D0%B8%2F%D0%B4%D0%BD%D1%8F")
    status, headers, body = await http(world, "GET", url)
    assert status == 200
    assert headers["Content-Type"].startswith("application/atom+xml")
    assert "sandbox" in headers["Content-Security-Policy"]
    feed = etree.fromstring(body)
    assert feed.findtext(f"{A}title") == "Новости"
    assert feed.findtext(f"{A}subtitle") == "Все"
    entries = feed.findall(f"{A}entry")
    assert [each.findtext(f"{A}title") for each in entries] == ["Вторая", "Первая"]  # the newest first
    for each in entries:  # RFC 4287 §4.1.2
        assert each.findtext(f"{A}id")
        assert each.findtext(f"{A}updated")
    assert entries[0].findtext(f"{A}author/{A}name") == IVANOV
    assert entries[1].findtext(f"{A}author/{A}name") == "Пресс-служба"
    assert (await http(world, "GET", url, headers={"If-None-Match": headers["ETag"]}))[0] == 304
    assert (await http(world, "HEAD", url))[2] == b""
    assert (await http(world, "POST", url, b"x"))[0] == 405


async def test_who_may_not_read_learns_nothing(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    done(await publish(ivanov, MICROBLOG, item("1", entry("Моё")), to=IVANOV))
    mine, absent = (world.url(f"/feed/{IVANOV}/{node}") for node in (MICROBLOG, "urn:none"))
    for url in (
        mine,
        absent,
        world.url("/feed/nobody@digital.example/x"),
        world.url("/feed/"),
        world.url("/feed/@/x"),
    ):
        status, headers, _ = await http(world, "GET", url)
        assert status == 401
        assert headers["WWW-Authenticate"].startswith("Basic")
    assert (await http(world, "GET", mine, headers=basic(IVANOV, "wrong")))[0] == 401
    for url in (mine, absent):
        assert (await http(world, "GET", url, headers=basic(SIDOROV)))[0] == 404
    assert (await http(world, "GET", mine, headers=basic(PETROVA)))[0] == 200
    done(await create(ivanov, "keys"))  # open, but no feed
    done(await publish(ivanov, "keys", item("1")))
    assert (await http(world, "GET", world.url(f"/feed/{SERVICE}/keys")))[0] == 401
    done(await configure(ivanov, "keys", access_model="whitelist", type=MICROBLOG))
    assert (await http(world, "GET", world.url(f"/feed/{SERVICE}/keys"), headers=basic(PETROVA)))[0] == 404
    assert (await http(world, "GET", world.url(f"/feed/{SERVICE}/keys"), headers=basic(IVANOV)))[0] == 200


async def test_a_channel(log_in: LogIn) -> None:
    """One post into a node and a moderated room; the room says it, and keeps it."""
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    await create_room(ivanov, "ivanov", moderatedroom="1")
    await enter(petrova, "petrova")
    assert refused(await create(petrova, "theirs", **{CHANNEL: ROOM}))[1] == "not-acceptable"
    done(await create(ivanov, "channel", type=ATOM, publish_model="open"))
    done(await configure(ivanov, "channel", **{CHANNEL: ROOM}))
    done(await subscribe(sidorov, "channel"))
    done(await publish(ivanov, "channel", item("1", entry("Приказ", "С понедельника"))))
    said = await petrova.message("Приказ\nС понедельника")
    assert (said.get("from"), said.get("type")) == (ROOM, "groupchat")
    assert said.find("sid:stanza-id", NAMESPACES) is not None
    assert (await sidorov.receive("c:message")).find(".//atom:entry", NAMESPACES) is not None
    later = await log_in(SIDOROV, "later")
    later.send(f"<presence to='{ROOM}/sidorov'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    past = await later.message("Приказ\nС понедельника")
    assert past.get("from") == ROOM
    forged = f"<message to='{ROOM}' type='groupchat' id='f'><body>forged</body></message>"
    sidorov.send(forged)
    assert (
        refused(await sidorov.receive("c:message", lambda each: each.get("id") == "f"))[1] == "not-acceptable"
    )
    # A room that is gone does not keep anybody from publishing.
    destroy = "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>"
    done(await ivanov.iq(destroy, "set", ROOM))
    done(await publish(ivanov, "channel", item("2", entry("Ещё"))))


async def test_who_administers_the_room_no_more_says_nothing_there(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create_room(ivanov, "ivanov")
    await enter(petrova, "petrova")
    change = "<item jid='{}' affiliation='{}'/>"
    assert (await administer(ivanov, change.format(PETROVA, "admin"))).get("type") == "result"
    done(await create(petrova, "channel", type=ATOM, **{CHANNEL: ROOM}))
    done(await publish(petrova, "channel", item("1", entry("Heard"))))
    assert (await ivanov.message("Heard")).get("from") == ROOM
    assert (await administer(ivanov, change.format(PETROVA, "none"))).get("type") == "result"
    done(await publish(petrova, "channel", item("2", entry("Unheard"))))
    await petrova.settle()
    ivanov.send(say("end"))
    await ivanov.message("end")
    assert "Unheard" not in [each.findtext("c:body", "", NAMESPACES) for each in await ivanov.settle()]
