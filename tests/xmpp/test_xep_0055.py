# SPDX-License-Identifier: Apache-2.0
"""XEP-0055: people found in both ways of asking, by whom the address book may show them."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import pytest

from armgs_server.directory.access import NOTHING, READ_ONLY, put_grant
from armgs_server.directory.index_block import fold
from armgs_server.directory.people import Change
from armgs_server.storage import collections
from armgs_server.storage.tx import Tx
from tests.world import World
from tests.xmpp.client import error_of, find
from tests.xmpp.conftest import LogIn

IVANOV, PETROVA, SIDOROV = "ivanov@digital.example", "petrova@digital.example", "sidorov@finance.example"
SEARCH = "search.digital.example"
S = "{jabber:iq:search}"
X = "{jabber:x:data}"
RSM = "{http://jabber.org/protocol/rsm}"


def asked(inner: str) -> str:
    return f"<query xmlns='jabber:iq:search'>{inner}</query>"


def form(**fields: str) -> str:
    inner = "".join(
        f"<field var='{name.replace('_', '-')}'><value>{value}</value></field>"
        for name, value in {"FORM_TYPE": "jabber:iq:search", **fields}.items()
    )
    return f"<x xmlns='jabber:x:data' type='submit'>{inner}</x>"


def rows(answer: Element) -> list[dict[str, str]]:
    """The items of a table, by field."""
    assert answer.get("type") == "result"
    return [
        {field.get("var", ""): field.findtext(f"{X}value") or "" for field in item}
        for item in answer.iterfind(f".//{X}item")
    ]


def jids(answer: Element) -> list[str]:
    return [row["jid"] for row in rows(answer)]


@pytest.fixture
async def structure(world: World) -> None:
    """Petrova has a unit, a post and a telephone; both people of digital.example have е or ё in the name."""
    directory = world.directory
    petrova, ivanov = await directory.by_address(PETROVA), await directory.by_address(IVANOV)
    assert petrova is not None and ivanov is not None
    unit = await directory.create_unit(petrova.department, "Отдел приёма")
    data = {"telephone": "+7 (495) 123-45-67", "family": "Петрова", "given": "Алёна"}
    change = Change(name="Петрова Алёна", unit=unit.id, post="Инженер", data=data)
    await directory.update(petrova.id, change)
    await directory.update(ivanov.id, Change(name="Иванов Артем", post="Инженер"))


async def test_what_is_offered(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    told = await ivanov.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=SEARCH)
    identity = find(told, "disco:query/disco:identity")
    assert (identity.get("category"), identity.get("type")) == ("directory", "user")
    assert "jabber:iq:search" in {each.get("var") for each in find(told, "disco:query")}
    for to in (SEARCH, "digital.example"):
        answer = await ivanov.iq(asked(""), to=to)
        query = answer[0]
        assert {child.tag for child in query} == {
            *(f"{S}{name}" for name in ("instructions", "first", "last", "nick", "email")),
            f"{X}x",
        }
        offered = {field.get("var") for field in query.iterfind(f"{X}x/{X}field")}
        assert offered >= {"FORM_TYPE", "first", "last", "nick", "email", "x-unit", "x-post", "x-telephone"}


async def test_the_old_way(log_in: LogIn, structure: None) -> None:
    ivanov = await log_in(IVANOV)
    answer = await ivanov.iq(asked("<last>пЕТР</last>"), "set", SEARCH)
    (item,) = answer[0].findall(f"{S}item")
    assert item.get("jid") == PETROVA
    assert [child.text for child in item] == ["Алёна", "Петрова", "Петрова Алёна", PETROVA]
    nobody = await ivanov.iq(asked("<last>Нет такой</last>"), "set", SEARCH)
    assert nobody.get("type") == "result" and nobody[0].findall(f"{S}item") == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"first": "алена"}, [PETROVA]),
        ({"first": "АРТЁМ"}, [IVANOV]),
        ({"x_unit": "приема"}, [PETROVA]),
        ({"x_post": "инженер"}, [IVANOV, PETROVA]),
        ({"x_post": "инженер", "x_unit": "отдел"}, [PETROVA]),
        ({"x_telephone": "495 1234567"}, [PETROVA]),
        ({"x_telephone": "нет"}, []),
        ({"x_any": "+7 (495) 123"}, [PETROVA]),
        ({"x_any": "инженер иван"}, [IVANOV]),
        ({"nick": "petro*"}, [PETROVA]),
        ({"email": "@digital"}, [IVANOV, PETROVA]),
    ],
)
async def test_forms(log_in: LogIn, structure: None, fields: dict[str, str], expected: list[str]) -> None:
    ivanov = await log_in(IVANOV)
    answer = await ivanov.iq(asked(form(**fields)), "set", SEARCH)
    assert jids(answer) == expected
    reported = {field.get("var") for field in answer.iterfind(f".//{X}reported/{X}field")}
    assert all(set(row) == reported for row in rows(answer))


async def test_a_row_shows_the_structure(log_in: LogIn, structure: None) -> None:
    ivanov = await log_in(IVANOV)
    (row,) = rows(await ivanov.iq(asked(form(nick="petrova")), "set", "digital.example"))
    assert (row["x-unit"], row["x-post"], row["x-telephone"]) == (
        *("Отдел приёма", "Инженер", "+7 (495) 123-45-67"),
    )


async def test_pages(log_in: LogIn, structure: None) -> None:
    ivanov = await log_in(IVANOV)

    async def page(inner: str) -> Element:
        rsm = f"<set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>"
        return await ivanov.iq(asked(form(x_post="Инженер") + rsm), "set", SEARCH)

    first = await page("<max>1</max>")
    assert jids(first) == [IVANOV]
    assert first.findtext(f".//{RSM}count") == "2" and first.findtext(f".//{RSM}last") == IVANOV
    assert jids(await page(f"<max>1</max><after>{IVANOV}</after>")) == [PETROVA]
    assert jids(await page("<max>1</max><before/>")) == [PETROVA]
    assert jids(await page(f"<max>1</max><before>{PETROVA}</before>")) == [IVANOV]
    assert error_of(await page("<after>nobody@digital.example</after>")) == "item-not-found"
    assert error_of(await page("<before>nobody@digital.example</before>")) == "item-not-found"


async def test_of_many_a_page_is_told_and_no_number(
    log_in: LogIn, world: World, structure: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XEP-0059: the pages follow each other in both directions all the same."""
    monkeypatch.setattr("armgs_server.directory.people_search.COUNTED", 1)
    numbers = range(5)
    for number in numbers:
        await world.directory.create_person(f"user{number}@digital.example", f"Инженер {9 - number}")
    ivanov = await log_in(IVANOV)

    async def page(inner: str) -> list[str]:
        rsm = f"<set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>"
        answer = await ivanov.iq(asked(form(x_any="инженер") + rsm), "set", SEARCH)
        if answer.get("type") == "error":
            return [error_of(answer)]
        assert answer.findtext(f".//{RSM}count") is None
        found = jids(answer)
        if found:
            assert (answer.findtext(f".//{RSM}first"), answer.findtext(f".//{RSM}last")) == (
                found[0],
                found[-1],
            )
        return found

    every = [IVANOV, PETROVA, *(f"user{number}@digital.example" for number in numbers)]
    assert await page("") == every
    assert await page("<max>3</max>") == every[:3]
    assert await page(f"<max>3</max><after>{every[2]}</after>") == every[3:6]
    assert await page(f"<max>3</max><after>{every[5]}</after>") == every[6:]
    assert await page(f"<max>3</max><after>{every[6]}</after>") == []
    assert await page("<max>3</max><before/>") == every[4:]
    assert await page(f"<max>3</max><before>{every[4]}</before>") == every[1:4]
    assert await page(f"<max>3</max><before>{every[1]}</before>") == every[:1]
    assert await page("<max>0</max>") == []
    assert await page("<after>nobody@digital.example</after>") == ["item-not-found"]
    assert await page(f"<after>{SIDOROV}</after>") == ["item-not-found"]
    await world.directory.disable(
        (await world.directory.people(world.directory.domains["digital.example"]))[-2].id
    )
    assert await page(f"<max>3</max><after>{every[3]}</after>") == [every[4], every[6]]


async def test_another_department_only_with_its_book(world: World, log_in: LogIn, structure: None) -> None:
    sidorov = await log_in(SIDOROV)
    by_post = asked(form(x_post="инженер"))
    assert jids(await sidorov.iq(by_post, "set", "search.finance.example")) == []
    assert jids(await sidorov.iq(by_post, "set", SEARCH)) == []
    department = world.directory.domains["digital.example"]
    asker = await world.directory.by_address(SIDOROV)
    assert asker is not None
    number = asker.id

    async def grant(tx: Tx) -> None:
        book = await collections.by_role(tx, department, "addressbook", "directory")
        assert book is not None
        await put_grant(tx, book, number, READ_ONLY)

    async def shut(tx: Tx) -> None:
        book = await collections.by_role(tx, department, "addressbook", "directory")
        assert book is not None
        await put_grant(tx, book, department, NOTHING)

    await world.store.write(grant)
    assert jids(await sidorov.iq(by_post, "set", SEARCH)) == [IVANOV, PETROVA]
    await world.store.write(shut)
    ivanov = await log_in(IVANOV)
    assert jids(await ivanov.iq(by_post, "set", SEARCH)) == []


async def test_who_is_disabled_is_not_found(world: World, log_in: LogIn, structure: None) -> None:
    ivanov = await log_in(IVANOV)
    assert jids(await ivanov.iq(asked(form(nick="petrova")), "set", SEARCH)) == [PETROVA]
    person = await world.directory.by_address(PETROVA)
    assert person is not None
    await world.directory.disable(person.id)
    assert jids(await ivanov.iq(asked(form(nick="petrova")), "set", SEARCH)) == []


async def test_bad_questions(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    for inner in ("", "<last/>", form(), form(nick=" * "), form(unknown="x"), form(nick="a" * 201)):
        assert error_of(await ivanov.iq(asked(inner), "set", SEARCH)) == "not-acceptable"
    cancelled = "<x xmlns='jabber:x:data' type='cancel'/>"
    assert error_of(await ivanov.iq(asked(cancelled), "set", SEARCH)) == "bad-request"
    ivanov.send(f"<message to='{SEARCH}'><body>who?</body></message>")
    assert error_of(await ivanov.message()) == "service-unavailable"
    assert error_of(await ivanov.iq("<ping xmlns='urn:other'/>", to=SEARCH)) == "service-unavailable"


def test_letters_are_compared_without_case_and_dots() -> None:
    assert fold("АЛЁНА") == fold("алена") == fold("але\u0308на")
