# SPDX-License-Identifier: Apache-2.0
"""Self-service forms by mail: filled in, decided, withdrawn; for colleagues who have logged in alone."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from armgs_server.directory import request_letters
from armgs_server.directory.people import Change
from armgs_server.storage import absences, clock, collections, requests, scheduling
from armgs_server.storage.absences import Absence
from armgs_server.storage.requests import Request
from armgs_server.storage.tx import Tx
from tests.smtp.client import Client, inbox, wait_for_mail
from tests.world import IVANOV, PASSWORD, PETROVA, SIDOROV, World

FORM = "trip@digital.example"
BOSS = "boss@digital.example"
DEFINED = """
[trip]
title = {ru = "Командировка", en = "Business trip"}
address = "Trip"
route = ["head", "petrova@digital.example"]
file = "Командировка {place}"
fields = [
  {name = "place", title = {ru = "Куда", en = "Where"}},
  {name = "first", title = {ru = "Первый день", en = "First day"}, kind = "date"},
  {name = "last", title = {ru = "Последний день", en = "Last day"}, kind = "date"},
]
[trip.event]
start = "first"
end = "last"
summary = "Командировка: {place}"
location = "place"
absence = true

[certificate]
title = "Справка"
address = "certificate"
fields = [{name = "for", title = {ru = "Куда", en = "For whom"}}]
"""
FILLED = "Куда: Омск\r\nПервый день: 01.12.2035\r\nПоследний день: 03.12.2035\r\n"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"http": {"forms": "forms.toml"}}) as world:
        (world.path / "forms.toml").write_text(DEFINED)
        department = world.directory.domains["digital.example"]
        unit = await world.directory.create_unit(department, "Unit")
        await world.directory.create_person(BOSS, "Boss", unit=unit.id, head=True, password=PASSWORD)
        await world.directory.update(await number(world, IVANOV), Change(unit=unit.id))
        yield world


async def number(world: World, address: str) -> int:
    found = await world.directory.by_address(address)
    assert found is not None
    return found.id


async def write(
    world: World, author: str, body: str, *fields: str, to: str = FORM, sender: str | None = None
) -> str:
    """The reply to RCPT where it is no success, else to the text."""
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(author)
        await client.expect(f"MAIL FROM:<{author if sender is None else sender}>", "250 ")
        answer = await client.say(f"RCPT TO:<{to}>")
        if not answer.startswith("250 "):
            return answer
        head = ("Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", *fields)
        return await client.send_text(("\r\n".join(head) + f"\r\n\r\n{body}\r\n").encode())


async def letters(world: World, address: str, count: int) -> list[EmailMessage]:
    found = [
        email.message_from_bytes(each, policy=email.policy.default)
        for each in await wait_for_mail(world, address, count)
    ]
    assert len(found) == count
    return [each for each in found if isinstance(each, EmailMessage)]


def reply_to(letter: EmailMessage) -> tuple[str, str]:
    return f"Subject: Re: {letter['Subject']}", f"In-Reply-To: {letter['Message-ID']}"


async def own(world: World, address: str) -> list[Request]:
    owner = await number(world, address)
    return await world.store.read(lambda tx: requests.of(tx, owner, 100))


async def test_an_empty_mail_gets_the_form_and_the_reply_goes_its_way(world: World) -> None:
    assert (await write(world, IVANOV, "", "Message-ID: <1@a.example>")).startswith("250 ")
    [blank] = await letters(world, IVANOV, 1)
    assert (blank["From"], blank["In-Reply-To"]) == (FORM, "<1@a.example>")
    assert blank["Auto-Submitted"] == "auto-replied"
    assert "Куда:\nПервый день:\nПоследний день:\n-- \n" in blank.get_content()

    wrong = "".join(f"> {line}\r\n" for line in blank.get_content().splitlines())
    wrong = wrong.replace("> Куда:", "> Куда: Омск").replace("> Первый день:", "> Первый день: завтра")
    assert (await write(world, IVANOV, wrong + "Город: Омск", *reply_to(blank))).startswith("250 ")
    answer = (await letters(world, IVANOV, 2))[1].get_content()
    assert "- Первый день: «завтра» — день, например" in answer
    assert "- Последний день: не заполнено" in answer and "Куда: Омск" in answer
    assert "Город: Омск»: такого поля нет" in answer
    assert await own(world, IVANOV) == []

    assert (await write(world, IVANOV, FILLED)).startswith("250 ")
    [*_, kept] = await letters(world, IVANOV, 3)
    assert kept["Subject"] == "Командировка: принято" and "Куда: Омск" in kept.get_content()
    [asked] = await letters(world, BOSS, 1)
    assert asked["From"] == FORM and "Business trip" in asked["Subject"]
    assert "Where: Омск" in asked.get_content() and IVANOV in asked.get_content()

    assert (await write(world, BOSS, "grant, but fly\r\n> text", *reply_to(asked))).startswith("250 ")
    [second] = await letters(world, PETROVA, 1)
    grant = re.search(r"Согласовать: mailto:trip@digital\.example\?subject=(\S+)", second.get_content())
    assert grant is not None
    subject = f"Subject: {grant[1].replace('%20', ' ')}"
    assert (await write(world, PETROVA, "хорошо", subject)).startswith("250 ")
    [*_, result] = await letters(world, IVANOV, 4)
    assert result["Subject"] == "Командировка: согласовано"
    assert "Лежит в Ваших файлах: Командировка Омск.txt" in result.get_content()
    [request] = await own(world, IVANOV)
    assert request.state == "granted"
    assert [each.comment for each in request.decisions] == ["but fly", "хорошо"]
    assert "Kept: granted" in (await letters(world, BOSS, 2))[1].get_content()

    # A letter that is answered once more changes nothing.
    assert (await write(world, BOSS, "refuse", *reply_to(asked))).startswith("250 ")
    assert "decided already" in (await letters(world, BOSS, 3))[2].get_content()


async def test_the_trip_is_in_the_calendar_and_is_an_absence(world: World) -> None:
    await write(world, IVANOV, FILLED)
    for person, word in ((BOSS, "approve"), (PETROVA, "Согласна!")):
        [asked] = await letters(world, person, 1)
        await write(world, person, word, *reply_to(asked))
    await letters(world, IVANOV, 2)
    owner = await number(world, IVANOV)
    [request] = await own(world, IVANOV)

    async def work(tx: Tx) -> tuple[list[bytes], Absence | None, list[int]]:
        found = await scheduling.find(tx, owner, f"request-{owner:x}-{request.id:x}")
        calendar = await collections.by_role(tx, owner, "calendar", "default")
        assert calendar is not None
        rows = await tx.rows("SELECT starts FROM instance WHERE owner = ?", owner)
        stored = [data if data is not None else b"" for _, data in found]
        assert [item.collection for item, _ in found] == [calendar.id]
        return stored, await absences.of(tx, owner), [row[0] for row in rows]

    [event], away, starts = await world.store.read(work)
    assert b"DTSTART;VALUE=DATE:20351201" in event and b"DTEND;VALUE=DATE:20351204" in event
    assert "SUMMARY:Командировка: Омск".encode() in event and "LOCATION:Омск".encode() in event
    assert away is not None and away.inside.startswith("Командировка: Омск (01.12.2035")
    assert len(starts) == 1


async def test_an_absence_that_was_set_stays(world: World) -> None:
    owner = await number(world, IVANOV)
    set_before = Absence(owner, clock.now(), clock.now() + clock.DAY, "away", "")
    await world.store.write(lambda tx: absences.put(tx, set_before))
    await write(world, IVANOV, FILLED)
    for person in (BOSS, PETROVA):
        [asked] = await letters(world, person, 1)
        await write(world, person, "да", *reply_to(asked))
    await letters(world, IVANOV, 2)
    assert (await own(world, IVANOV))[0].state == "granted"
    assert await world.store.read(lambda tx: absences.of(tx, owner)) == set_before


async def test_a_refusal_a_withdrawal_and_words_that_are_none(world: World) -> None:
    await write(world, IVANOV, FILLED)
    [kept] = await letters(world, IVANOV, 1)
    [asked] = await letters(world, BOSS, 1)
    await write(world, BOSS, "Let me think", *reply_to(asked))
    assert "Nothing is decided" in (await letters(world, BOSS, 2))[1].get_content()
    await write(world, BOSS, "да " + "x" * 1001, *reply_to(asked))
    assert "at most 1000" in (await letters(world, BOSS, 3))[2].get_content()
    await write(world, IVANOV, "Да", *reply_to(kept))
    assert "«отозвать»" in (await letters(world, IVANOV, 2))[1].get_content()
    await write(world, IVANOV, "Отозвать.", *reply_to(kept))
    await letters(world, IVANOV, 3)
    assert [each.state for each in await own(world, IVANOV)] == ["withdrawn"]
    await write(world, IVANOV, FILLED)
    again = (await letters(world, BOSS, 4))[3]
    await write(world, BOSS, "Не согласен", *reply_to(again))
    result = (await letters(world, IVANOV, 5))[4]
    assert result["Subject"] == "Командировка: отказано"


async def test_nobody_decides_what_is_not_theirs(world: World) -> None:
    await write(world, IVANOV, FILLED)
    [asked] = await letters(world, BOSS, 1)
    for person in (SIDOROV, PETROVA):  # hers is the second step
        await write(world, person, "да", *reply_to(asked))
        [answer] = await letters(world, person, 1)
        said = answer.get_content()
        assert ("Такого заявления нет" in said or "no such request" in said) and "Омск" not in said
    for key in ("7" + "f" * 15 + "-1-0", "1-7" + "f" * 15 + "-0", "1-1-0"):
        await write(world, SIDOROV, "", f"Subject: grant {key}")
    answers = await letters(world, SIDOROV, 4)
    assert all("no such request" in each.get_content() for each in answers)
    assert [each.state for each in await own(world, IVANOV)] == ["waiting"]


async def test_one_that_comes_twice_is_done_once(world: World) -> None:
    for _ in range(2):
        assert (await write(world, IVANOV, FILLED, "Message-ID: <same@a.example>")).startswith("250 ")
    assert len(await own(world, IVANOV)) == 1
    await write(world, IVANOV, "Куда: банк", to="certificate@digital.example")
    found = await letters(world, IVANOV, 2)
    assert found[1]["Subject"] == "Справка: готово"


async def test_strangers_and_programs_are_not_heard(world: World) -> None:
    async with Client(world) as client:
        await client.ehlo()
        await client.expect(f"MAIL FROM:<{IVANOV}>", "250 ")  # a name that anybody may give
        unknown = await client.say("RCPT TO:<nobody@digital.example>")
        assert await client.say(f"RCPT TO:<{FORM}>") == unknown
    assert (await write(world, IVANOV, FILLED, sender="")).startswith("550 ")
    for field in (
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated; x",
        "List-Id: <a.example>",
    ):
        assert (await write(world, IVANOV, FILLED, field)).startswith("550 5.7.1 "), field
    assert (await write(world, IVANOV, FILLED, "Auto-Submitted: no")).startswith("250 ")
    assert len(await own(world, IVANOV)) == 1
    big = "x" * 70 + "\r\n"
    assert (await write(world, IVANOV, FILLED + big * 15_000)).startswith("552 ")
    assert len(await own(world, IVANOV)) == 1


async def test_it_may_go_to_people_too_and_be_html(world: World) -> None:
    html = (
        "<style>Куда: x</style><p>Куда:&nbsp;Омск<br>Первый\r\nдень: 2035-12-01</p>"
        "<div>Последний день: 2035-12-02</div>"
    )
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(IVANOV)
        text = f"Content-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n".encode()
        assert (await client.mail(IVANOV, FORM, SIDOROV, text=text)).startswith("250 ")
    assert len(await inbox(world, SIDOROV)) == 1
    [request] = await own(world, IVANOV)
    assert request.values["place"] == "Омск" and request.values["last"] == "2035-12-02"


def test_keys() -> None:
    assert request_letters.key_of("<request.1f.a.2.9@mx.example>") == request_letters.Key(31, 10, 2)
    assert request_letters.key_of("1f-a-2") == request_letters.Key(31, 10, 2)
    for wrong in ("", "x", "<request.@x>", "<request.1.2@x>", "ffffffffffffffff-1-0", "<other.1.2.3@x>"):
        assert request_letters.key_of(wrong) is None, wrong
