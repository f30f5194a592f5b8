# SPDX-License-Identifier: Apache-2.0
"""What Apple's clients send while somebody types the name of an attendee."""

from __future__ import annotations

from pathlib import Path

import pytest

from armgs_server.directory import Rights
from armgs_server.storage import collections
from tests.dav.client import Answer
from tests.dav.conftest import IVANOV, SIDOROV, Site, run_site

SEARCH = (
    '<CS:calendarserver-principal-search xmlns:CS="http://calendarserver.org/ns/" xmlns="DAV:"{}>{}{}'
    "<prop><displayname/><CS:first-name/><CS:last-name/><CS:record-type/></prop>"
    "</CS:calendarserver-principal-search>"
)
BY_PROPERTY = (
    '<principal-property-search xmlns="DAV:" xmlns:CS="http://calendarserver.org/ns/"{}>'
    "<property-search><prop>{}</prop><match{}>{}</match></property-search>"
    "<prop><displayname/></prop>{}</principal-property-search>"
)


def words(*tokens: str) -> str:
    return "".join(f"<CS:search-token>{token}</CS:search-token>" for token in tokens)


async def search(site: Site, *tokens: str, context: str = "", limit: str = "") -> Answer:
    attribute = f' context="{context}"' if context else ""
    body = SEARCH.format(attribute, words(*tokens), limit)
    return await site.ivanov.request("REPORT", "/dav/principals/", body)


def names(answer: Answer) -> list[str]:
    assert answer.status == 207
    return sorted(answer.texts("//D:displayname"))


async def test_words_and_contexts(site: Site) -> None:
    assert names(await search(site, "пет")) == ["Петрова Анна"]
    assert names(await search(site, "ан", "петрова")) == ["Петрова Анна"]
    assert names(await search(site, "room@digital")) == ["Переговорная"]
    assert names(await search(site, "етрова")) == []
    assert names(await search(site, "пе")) == ["Переговорная", "Петрова Анна"]
    assert names(await search(site, "пе", context="user")) == ["Петрова Анна"]
    assert names(await search(site, "пе", context="location")) == ["Переговорная"]
    assert names(await search(site, "пе", context="resource")) == []
    assert names(await search(site, "пе", context="attendee")) == ["Переговорная", "Петрова Анна"]
    # Nobody outside of the departments whose people one may find.
    assert names(await search(site, "sidorov")) == []


async def test_names_and_record_types(site: Site) -> None:
    data = {"given": "Мария", "family": "Орлова"}
    await site.core.directory.create_person("orlova@digital.example", "Орлова Мария", data=data)
    answer = await search(site, "орлова")
    assert answer.texts("//CS:first-name") == ["Мария"]
    assert answer.texts("//CS:last-name") == ["Орлова"]
    assert answer.texts("//CS:record-type") == ["users"]
    assert (await search(site, "переговорная")).texts("//CS:record-type") == ["locations"]
    by_name = BY_PROPERTY.format(
        ' type="INDIVIDUAL"', "<CS:last-name/>", ' match-type="starts-with"', "орл", ""
    )
    assert names(await site.ivanov.request("REPORT", "/dav/principals/", by_name)) == ["Орлова Мария"]


async def test_limit_of_the_client(site: Site) -> None:
    limit = "<CS:limit><CS:nresults>1</CS:nresults></CS:limit>"
    answer = await search(site, "пе", limit=limit)
    assert len(answer.texts("//D:displayname")) == 1
    assert answer.find("//D:number-of-matches-within-limits")
    assert (await search(site, "пе", limit="<CS:limit/>")).status == 400


async def test_malformed_searches(site: Site) -> None:
    assert (await search(site)).status == 400
    assert (await search(site, "")).status == 400
    assert (await search(site, *["a"] * 21)).status == 400
    assert (await search(site, "a", context="planet")).status == 400


@pytest.mark.parametrize(
    ("attributes", "match"),
    [
        (' test="some"', ""),
        (' type="PLANET"', ""),
        ("", ' match-type="sounds-like"'),
        ("", ' caseless="perhaps"'),
    ],
)
async def test_unknown_values_of_attributes(site: Site, attributes: str, match: str) -> None:
    body = BY_PROPERTY.format(attributes, "<displayname/>", match, "x", "")
    assert (await site.ivanov.request("REPORT", "/dav/principals/", body)).status == 400


async def test_types_and_case(site: Site) -> None:
    async def found(attributes: str, match: str, text: str) -> list[str]:
        body = BY_PROPERTY.format(attributes, "<displayname/>", match, text, "")
        return names(await site.ivanov.request("REPORT", "/dav/principals/", body))

    assert await found(' type="ROOM"', "", "пе") == ["Переговорная"]
    assert await found(' type="INDIVIDUAL"', "", "пе") == ["Петрова Анна"]
    assert await found("", ' caseless="no"', "анна") == []
    assert await found("", ' caseless="no"', "Анна") == ["Петрова Анна"]


async def test_letters_that_are_the_same_and_what_addresses_begin_with(site: Site) -> None:
    await site.core.directory.create_person("semenov@digital.example", "Семёнов  Пётр")

    async def found(prop: str, match: str, text: str) -> list[str]:
        body = BY_PROPERTY.format("", prop, match, text, "")
        return names(await site.ivanov.request("REPORT", "/dav/principals/", body))

    addresses = '<C:calendar-user-address-set xmlns:C="urn:ietf:params:xml:ns:caldav"/>'
    assert await found("<displayname/>", "", "СЕМЕНОВ п") == ["Семёнов  Пётр"]
    assert await found("<displayname/>", ' caseless="no"', "Семёнов П") == ["Семёнов  Пётр"]
    assert await found("<displayname/>", ' caseless="no"', "Семенов") == []
    assert await found("<displayname/>", ' match-type="equals"', "семенов петр") == ["Семёнов  Пётр"]
    for text in ("mailto:semenov@", "lto:semenov", "semenov@digital.example"):
        assert await found(addresses, "", text) == ["Семёнов  Пётр"]
    assert "Семёнов  Пётр" in await found(addresses, "", "mailto:")
    assert "Семёнов  Пётр" in await found(addresses, "", "il")


async def test_who_is_near_comes_first(tmp_path: Path) -> None:
    """People of another department are told where there is room, whoever was there before."""
    async with run_site("sqlite", tmp_path, principal_results=2) as site:
        directory = site.core.directory
        finance = site.people[SIDOROV].department
        for number in range(3):
            await directory.create_person(f"zaitsev{number}@finance.example", f"Зайцев {number}")
        for number in range(3, 5):
            await directory.create_person(f"zaitsev{number}@digital.example", f"Зайцев {number}")
        book = await site.store.read(lambda tx: collections.by_role(tx, finance, "addressbook", "directory"))
        assert book is not None
        rights = Rights.LOOKUP | Rights.READ
        own = site.people[IVANOV].department
        await site.store.write(lambda tx: directory.access.grant(tx, book, own, rights))
        answer = await search(site, "зай")
        assert names(answer) == ["Зайцев 3", "Зайцев 4"]
        assert answer.find("//D:number-of-matches-within-limits")
        assert names(await search(site, "зай", "2")) == ["Зайцев 2"]
        await directory.disable((await directory.people(own))[-1].id)
        assert names(await search(site, "зай", "4")) == []
