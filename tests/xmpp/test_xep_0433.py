# SPDX-License-Identifier: Apache-2.0
"""XEP-0433: rooms are found by words; what cannot be searched is refused with its own condition."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps import xep_0433_channel_search as search
from armgs_server.xmpp.xeps.xep_0045_config import RoomConfig
from tests.world import IVANOV
from tests.xmpp.client import NAMESPACES, Client, error_of, find, text
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import create

SEARCH = "urn:xmpp:channel-search:0:search"
SERVICE = "conference.digital.example"
NAMESPACES.update({"search": SEARCH, "search-error": "urn:xmpp:channel-search:0:error"})


async def ask(client: Client, page: str = "", **fields: str) -> Element:
    inner = "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in fields.items())
    head = "<field var='FORM_TYPE'><value>urn:xmpp:channel-search:0:search-params</value></field>"
    form = f"<x xmlns='jabber:x:data' type='submit'>{head}{inner}</x>"
    return await client.iq(f"<search xmlns='{SEARCH}'>{page}{form}</search>", to=SERVICE)


def addresses(answer: Element) -> list[str]:
    return [each.get("address", "") for each in answer.iterfind("search:result/search:item", NAMESPACES)]


@pytest.fixture
async def ivanov(log_in: LogIn) -> Client:
    """Somebody who has made some rooms."""
    client = await log_in(IVANOV)
    for name, config in (
        ("tea", {"roomname": "Чайная", "roomdesc": "Green &amp; black"}),
        ("coffee", {"roomname": "Coffee corner", "membersonly": "1", "whois": "moderators"}),
        ("secret", {"roomname": "Чайная тайная", "publicroom": "0"}),
    ):
        await create(client, "ivanov", f"{name}@{SERVICE}", **{**config, "lang": "ru"})
    return client


async def test_rooms_are_found_by_words(ivanov: Client) -> None:
    assert addresses(await ask(ivanov, q="чАЙ")) == [f"tea@{SERVICE}"]
    assert addresses(await ask(ivanov, q="green чайная")) == [f"tea@{SERVICE}"]
    assert addresses(await ask(ivanov, q="green", sindescription="0")) == []
    assert addresses(await ask(ivanov, q="coffee")) == [f"coffee@{SERVICE}"]
    assert addresses(await ask(ivanov, all="1")) == [f"coffee@{SERVICE}", f"tea@{SERVICE}"]


async def test_what_is_told_of_a_room(ivanov: Client) -> None:
    coffee, tea = (await ask(ivanov, all="true")).iterfind("search:result/search:item", NAMESPACES)
    assert (text(tea, "search:name"), text(tea, "search:description")) == ("Чайная", "Green & black")
    assert (text(tea, "search:language"), text(tea, "search:service-type")) == ("ru", "xep-0045")
    assert (text(tea, "search:anonymity-mode"), text(coffee, "search:anonymity-mode")) == ("none", "semi")
    assert tea.find("search:is-open", NAMESPACES) is not None
    assert coffee.find("search:is-open", NAMESPACES) is None


async def test_page_by_page(ivanov: Client) -> None:
    first = await ask(ivanov, "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set>", all="1")
    assert addresses(first) == [f"coffee@{SERVICE}"]
    last = text(first, "search:result/rsm:set/rsm:last")
    page = f"<set xmlns='http://jabber.org/protocol/rsm'><max>1</max><after>{last}</after></set>"
    assert addresses(await ask(ivanov, page, all="1")) == [f"tea@{SERVICE}"]


@pytest.mark.parametrize(
    ("fields", "condition"),
    [
        ({}, "no-search-conditions"),
        ({"q": "tea", "all": "1"}, "conflicting-fields"),
        ({"q": "t"}, "invalid-search-terms"),
        ({"q": "tea", "key": "{urn:xmpp:channel-search:0:order}nusers"}, "invalid-sort-key"),
        ({"q": "tea", "sinname": "0", "sindescription": "0", "sinaddress": "0"}, "conflicting-fields"),
    ],
)
async def test_what_cannot_be_searched(log_in: LogIn, fields: dict[str, str], condition: str) -> None:
    answer = await ask(await log_in(IVANOV), **fields)
    assert error_of(answer) == "bad-request"
    assert answer.find(f"c:error/search-error:{condition}", NAMESPACES) is not None


async def test_the_form(log_in: LogIn) -> None:
    answer = await (await log_in(IVANOV)).iq(f"<search xmlns='{SEARCH}'/>", to=SERVICE)
    form = find(answer, "search:search/data:x")
    names = [each.get("var") for each in form.iterfind("data:field", NAMESPACES)]
    assert names == ["FORM_TYPE", "q", "all", "sinname", "sindescription", "sinaddress", "key"]


_VALUES = st.lists(st.text(max_size=20), max_size=2).map(tuple)


@given(st.dictionaries(st.sampled_from(["q", "all", "sinname", "sinaddress", "key", "other"]), _VALUES))
def test_whatever_is_submitted(values: dict[str, tuple[str, ...]]) -> None:
    try:
        found = search.parse({**values, "FORM_TYPE": (search.PARAMETERS,)})
    except StanzaError as error:
        assert error.condition == "bad-request"
    else:
        assert found.places
        assert found.words or values["all"][0] in ("1", "true")
        assert isinstance(found.matches("tea@conference.digital.example", RoomConfig()), bool)
