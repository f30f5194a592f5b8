# SPDX-License-Identifier: Apache-2.0
"""XEP-0402 §5.3, XEP-0411: bookmarks changed in one of three places are seen in all, by all devices."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from tests.world import IVANOV, PETROVA
from tests.xmpp.client import Client
from tests.xmpp.conftest import LogIn
from tests.xmpp.nodes import (
    configure,
    done,
    event,
    fetch,
    ids,
    item,
    publish,
    refused,
    retract,
    silent,
    summary,
)
from tests.xmpp.test_pep import wants

NATIVE = "urn:xmpp:bookmarks:1"
LEGACY = "storage:bookmarks"
TEA, CAKE = "tea@conference.digital.example", "cake@conference.digital.example"
OPTIONS = {
    "persist_items": "true",
    "max_items": "max",
    "send_last_published_item": "never",
    "access_model": "whitelist",
}


def conference(room: str, **attributes: str) -> str:
    given = "".join(f" {name}='{value}'" for name, value in attributes.items())
    return f"<conference jid='{room}'{given}><nick>Иван</nick></conference>"


def storage(*inner: str) -> str:
    return f"<storage xmlns='{LEGACY}'>{''.join(inner)}</storage>"


def private(inner: str) -> str:
    return f"<query xmlns='jabber:iq:private'>{inner}</query>"


def bookmarks(answer: Element, xmlns: str) -> dict[str | None, tuple[str | None, str | None, str | None]]:
    """Name, autojoin and nick by room (the JID, or where the items are the bookmarks their place)."""
    return {
        each.get("jid"): (each.get("name"), each.get("autojoin"), each.findtext(f"{{{xmlns}}}nick"))
        for each in done(answer).iter(f"{{{xmlns}}}conference")
    }


async def in_private(client: Client) -> dict[str | None, tuple[str | None, str | None, str | None]]:
    return bookmarks(await client.iq(private(storage())), LEGACY)


async def test_the_account_says_so(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    info = await ivanov.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=IVANOV)
    features = {each.get("var") for each in info.iter("{http://jabber.org/protocol/disco#info}feature")}
    assert {f"{NATIVE}#compat", f"{NATIVE}#compat-pep", "urn:xmpp:bookmarks-conversion:0"} <= features


async def test_a_new_client_is_seen_by_old_ones(log_in: LogIn) -> None:
    ivanov, phone = await log_in(IVANOV), await log_in(IVANOV, "phone")
    await wants(phone, LEGACY)
    payload = f"<conference xmlns='{NATIVE}' name='Чай' autojoin='1'><nick>Иван</nick></conference>"
    done(await publish(ivanov, NATIVE, item(TEA, payload), to=IVANOV, options=OPTIONS))
    whole = await event(phone, IVANOV)
    assert [each.get("jid") for each in whole.iter(f"{{{LEGACY}}}conference")] == [TEA]
    assert await in_private(ivanov) == {TEA: ("Чай", "true", "Иван")}
    assert bookmarks(await fetch(phone, LEGACY, to=IVANOV), LEGACY) == {TEA: ("Чай", "true", "Иван")}
    done(await retract(ivanov, NATIVE, TEA, to=IVANOV, notify="true"))
    assert await in_private(ivanov) == {}


async def test_an_old_client_is_seen_by_new_ones(log_in: LogIn) -> None:
    ivanov, phone, petrova = await log_in(IVANOV), await log_in(IVANOV, "phone"), await log_in(PETROVA)
    await wants(phone, NATIVE)
    await wants(petrova, NATIVE, LEGACY)
    page = "<url name='Портал' url='https://portal.digital.example/'/>"
    both = storage(conference(TEA, name="Чай"), conference(CAKE, autojoin="true"), conference("@"), page)
    done(await ivanov.iq(private(both), "set"))
    heard = {summary(await event(phone, IVANOV))[1] for _ in range(2)}
    assert heard == {f"item {TEA}+", f"item {CAKE}+"}
    assert sorted(ids(await fetch(phone, NATIVE, to=IVANOV))) == [CAKE, TEA]
    # What did not change is not told again; what is missing is taken back.
    done(await ivanov.iq(private(storage(conference(CAKE, autojoin="true"), page)), "set"))
    assert summary(await event(phone, IVANOV)) == ["items", f"retract {TEA}"]
    await silent(phone)
    # Extensions of new clients and pages of old ones survive a change by the other.
    inner = "<extensions><pin xmlns='urn:p'/></extensions>"
    extended = f"<conference xmlns='{NATIVE}' autojoin='1'>{inner}</conference>"
    done(await publish(phone, NATIVE, item(CAKE, extended), to=IVANOV))
    done(await ivanov.iq(private(storage(conference(CAKE, name="Торт"))), "set"))
    kept = await fetch(phone, NATIVE, to=IVANOV)
    assert kept.find(".//{urn:p}pin") is not None
    assert refused(await fetch(petrova, NATIVE, to=IVANOV))[1] == "not-allowed"
    assert refused(await fetch(petrova, LEGACY, to=IVANOV))[1] == "not-allowed"
    await silent(petrova)


async def test_pages_survive(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    page = "<url name='Портал' url='https://portal.digital.example/'/>"
    done(await ivanov.iq(private(storage(page)), "set"))
    done(await publish(ivanov, NATIVE, item(TEA, f"<conference xmlns='{NATIVE}'/>"), to=IVANOV))
    whole = await ivanov.iq(private(storage()))
    assert [each.get("name") for each in whole.iter(f"{{{LEGACY}}}url")] == ["Портал"]
    assert [each.get("jid") for each in whole.iter(f"{{{LEGACY}}}conference")] == [TEA]


async def test_a_client_of_the_years_between(log_in: LogIn) -> None:
    """XEP-0048 over XEP-0223: one item at a node."""
    ivanov, phone = await log_in(IVANOV), await log_in(IVANOV, "phone")
    await wants(phone, NATIVE)
    done(await publish(ivanov, LEGACY, item("current", storage(conference(TEA))), to=IVANOV))
    assert summary(await event(phone, IVANOV)) == ["items", f"item {TEA}+"]
    assert await in_private(ivanov) == {TEA: (None, None, "Иван")}
    done(await publish(ivanov, LEGACY, item("current", "<other xmlns='urn:x'/>"), to=IVANOV))
    await silent(phone)


async def test_nothing_is_copied_to_where_others_read(log_in: LogIn) -> None:
    """XEP-0411 §5"""
    ivanov = await log_in(IVANOV)
    done(await publish(ivanov, NATIVE, item(TEA, f"<conference xmlns='{NATIVE}'/>"), to=IVANOV))
    for node in (NATIVE, LEGACY):
        done(await configure(ivanov, node, to=IVANOV, access_model="open"))
    done(await ivanov.iq(private(storage(conference(CAKE))), "set"))
    assert ids(await fetch(ivanov, NATIVE, to=IVANOV)) == [TEA]
    assert bookmarks(await fetch(ivanov, LEGACY, to=IVANOV), LEGACY) == {TEA: (None, "false", None)}
