# SPDX-License-Identifier: Apache-2.0
"""What Apple's clients send while somebody types the name of an attendee."""

from __future__ import annotations

import pytest

from tests.dav.client import Answer
from tests.dav.conftest import Site

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
