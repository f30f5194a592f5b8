# SPDX-License-Identifier: Apache-2.0
"""Synchronising a home: which of its calendars have changed, and with infinite what in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav.errors import DavError
from armgs_server.dav.sync_home import home_token, parse_home_token
from armgs_server.directory.access import READ_ONLY, put_grant
from armgs_server.storage import collections
from tests.dav.calendars import ICS, event
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, PETROVA, ROOM, Site

HOME = f"/dav/calendars/{IVANOV}/"
STANDARD = ["default/", "inbox/", "outbox/", "tasks/"]
LEAVE = "%D0%BE%D1%82%D0%BF%D1%83%D1%81%D0%BA%D0%B0%20+.1/"  # отпуска +.1
SHARED_ROOM = f"default_shared_by_{ROOM}/"


async def sync(client: Client, token: str = "", level: str = "1", more: str = "") -> Answer:
    body = (
        f'<sync-collection xmlns="DAV:"><sync-token>{token}</sync-token><sync-level>{level}</sync-level>'
        f"{more}<prop><getetag/></prop></sync-collection>"
    )
    return await client.request("REPORT", HOME, body, {"Depth": "0"})


def told(answer: Answer, path: str = "//D:response[not(D:status)]/D:href") -> list[str]:
    assert answer.status == 207, answer.body.decode()
    return sorted(href.removeprefix(HOME) for href in answer.texts(path))


def gone(answer: Answer) -> list[str]:
    return told(answer, "//D:response[contains(D:status, '404')]/D:href")


def token(answer: Answer) -> str:
    return answer.texts("//D:sync-token")[0]


async def put(client: Client, name: str, uid: str, *lines: str) -> None:
    data = event(uid, "20261201T100000Z", "SUMMARY:x", *lines)
    assert (await client.request("PUT", HOME + name, data, ICS)).status in (201, 204)


async def test_which_calendars_have_changed(both_sites: Site) -> None:
    ivanov, phone = both_sites.ivanov, both_sites.ivanov
    first = await sync(phone)
    assert told(first) == sorted([*STANDARD, SHARED_ROOM])
    nothing = await sync(phone, token(first))
    assert (told(nothing), gone(nothing), token(nothing)) == ([], [], token(first))
    await put(ivanov, "default/a.ics", "a")
    changed = await sync(phone, token(nothing))
    assert told(changed) == ["default/"]
    assert (await ivanov.request("MKCALENDAR", HOME + LEAVE)).status == 201
    made = await sync(phone, token(changed))
    assert told(made) == [LEAVE]
    ask = '<propfind xmlns="DAV:"><prop><sync-token/></prop></propfind>'
    seen = await phone.request("PROPFIND", HOME, ask, {"Depth": "0"})
    assert seen.prop(HOME, "D:sync-token") == token(made)
    assert (await ivanov.request("DELETE", HOME + LEAVE)).status == 204
    lost = await sync(phone, token(made))
    assert (told(lost), gone(lost)) == ([], [LEAVE])
    assert gone(await sync(phone, token(lost))) == []


async def test_what_has_changed_in_them(both_sites: Site) -> None:
    ivanov, phone = both_sites.ivanov, both_sites.ivanov
    await put(ivanov, "default/a.ics", "a")
    first = await sync(phone, level="infinite")
    assert told(first) == sorted([*STANDARD, SHARED_ROOM, "default/a.ics"])
    await put(ivanov, "default/b.ics", "b")
    assert (await ivanov.request("DELETE", HOME + "default/a.ics")).status == 204
    changed = await sync(phone, token(first), "infinity")
    assert told(changed) == ["default/", "default/b.ics"]
    assert gone(changed) == ["default/a.ics"]
    nothing = await sync(phone, token(changed), "infinite")
    assert (told(nothing), gone(nothing)) == ([], [])


async def test_another_calendar_of_the_same_name(site: Site) -> None:
    ivanov = site.ivanov
    assert (await ivanov.request("MKCALENDAR", HOME + "x/")).status == 201
    await put(ivanov, "x/a.ics", "a")
    first, deep = await sync(ivanov), await sync(ivanov, level="infinite")
    assert (await ivanov.request("DELETE", HOME + "x/")).status == 204
    assert (await ivanov.request("MKCALENDAR", HOME + "x/")).status == 201
    again = await sync(ivanov, token(first))
    assert (told(again), gone(again)) == (["x/"], [])
    refused = await sync(ivanov, token(deep), "infinite")
    assert (refused.status, refused.condition) == (403, "valid-sync-token")


async def test_what_others_share(site: Site) -> None:
    owner = site.people[PETROVA].id
    calendar = await site.store.read(lambda tx: collections.by_role(tx, owner, "calendar", "default"))
    assert calendar is not None
    shared = calendar
    first = await sync(site.ivanov)
    await site.store.write(lambda tx: put_grant(tx, shared, site.people[IVANOV].id, READ_ONLY))
    answer = await sync(site.ivanov, token(first), "infinite")
    assert told(answer) == [f"default_shared_by_{PETROVA}/"]
    await site.store.write(lambda tx: put_grant(tx, shared, site.people[IVANOV].id, READ_ONLY & ~READ_ONLY))
    assert gone(await sync(site.ivanov, token(answer))) == [f"default_shared_by_{PETROVA}/"]


async def test_wrong_requests(site: Site) -> None:
    refused = await sync(site.ivanov, "data:,1-2-3")
    assert (refused.status, refused.condition) == (403, "valid-sync-token")
    limited = await sync(site.ivanov, more="<limit><nresults>1</nresults></limit>")
    assert (limited.status, limited.condition) == (507, "number-of-matches-within-limits")
    assert (await sync(site.ivanov, level="2")).status == 400


NAMES = st.text(min_size=1, max_size=20).filter(lambda name: name.isprintable())
NUMBERS = st.integers(0, 10**17)


@given(st.dictionaries(st.tuples(NUMBERS, NUMBERS), st.tuples(NUMBERS, NAMES), max_size=5))
def test_a_token_comes_back(known: dict[tuple[int, int], tuple[int, str]]) -> None:
    assert parse_home_token(home_token(known)) == known


@given(st.text())
def test_any_token(text: str) -> None:
    try:
        known = parse_home_token(text)
    except DavError as error:
        assert error.status == 403
    else:
        assert parse_home_token(home_token(known)) == known


@pytest.mark.parametrize(
    "text", ["data:,home+1.2.3", "data:,home+1.2.3.", "data:,home1.2.3.x", "data:,homes"]
)
def test_tokens_of_nobody(text: str) -> None:
    with pytest.raises(DavError):
        parse_home_token(text)
