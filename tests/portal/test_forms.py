# SPDX-License-Identifier: Apache-2.0
"""Self-service forms: defined in a file, filled in on the page and in chat alike, decided, filed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.directory import forms, requests
from armgs_server.directory.forms import WrongField
from armgs_server.directory.model import Principal
from armgs_server.directory.people import Change
from armgs_server.errors import Invalid
from armgs_server.storage import collections, items
from armgs_server.storage import requests as rows
from armgs_server.storage.tx import Tx
from tests.portal.browser import Browser
from tests.world import IVANOV, PASSWORD, PETROVA, SIDOROV, World
from tests.xmpp.client import Client, find
from tests.xmpp.commands import COMMANDS, X, command, conditions, submit

NASTY = "<script>alert(1)</script>\"'&"
BOSS = "boss@digital.example"
DEFINED = """
[trip]
title = {ru = "Командировка", en = "Business trip"}
text = {ru = "Не позже чем за три дня.", en = "Three days before at the latest."}
route = ["head", "petrova@digital.example"]
folder = "Заявления/2026"
file = "Командировка {place} {first}"
fields = [
  {name = "place", title = {ru = "Куда", en = "Where"}},
  {name = "first", title = "First day", kind = "date"},
  {name = "days", title = "Days", kind = "number"},
  {name = "by", title = "By", kind = "choice", choices = ["train", "plane"]},
  {name = "why", title = "Purpose", kind = "long", required = false},
  {name = "hotel", title = "Hotel", kind = "yes"},
]

[certificate]
title = "Certificate"
fields = [{name = "for", title = "For whom"}]
"""
TRIP = {"place": f"Казань/{NASTY}", "first": "2026-12-01", "days": "2,5", "by": "train", "why": "a\nb"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"http": {"forms": "forms.toml"}}) as world:
        (world.path / "forms.toml").write_text(DEFINED)
        department = world.directory.domains["digital.example"]
        unit = await world.directory.create_unit(department, "Unit")
        await world.directory.create_person(BOSS, "Boss", unit=unit.id, head=True, password=PASSWORD)
        await world.directory.update((await principal(world, IVANOV)).id, Change(unit=unit.id))
        yield world


async def principal(world: World, address: str) -> Principal:
    found = await world.directory.by_address(address)
    assert found is not None
    return found


async def signed_in(world: World, address: str) -> Browser:
    browser = Browser(world)
    await browser.sign_in(address)
    return browser


async def files_of(world: World, address: str) -> dict[str, str]:
    """Path and text of the person's files."""
    owner = (await principal(world, address)).id

    async def work(tx: Tx) -> list[tuple[str, bytes]]:
        return [
            (f"{folder.name}/{item.name}", item.blob)
            for folder in await collections.all_of(tx, owner, "files")
            for item in await items.scan(tx, owner, folder.id)
        ]

    found = await world.store.read(work)
    return {name: (await world.store.blobs.read(blob)).decode() for name, blob in found}


async def test_a_request_goes_its_way(world: World) -> None:
    ivanov, boss, petrova = [await signed_in(world, each) for each in (IVANOV, BOSS, PETROVA)]
    page = await ivanov.get("/forms")
    assert "Business trip" in page.text and "Certificate" in page.text
    page = await ivanov.get("/forms/trip")
    assert "Three days before" in page.text
    await ivanov.submit("/forms/trip", **TRIP)
    assert ivanov.path == "/forms" and "waiting for a decision (Boss)" in ivanov.text
    assert "<script" not in ivanov.text
    assert "Waiting for my decision" not in (await petrova.get("/forms")).text
    assert "Waiting for my decision: 1" in (await boss.get("/me")).text
    page = await boss.get("/forms")
    assert "Waiting for my decision" in page.text and "Казань/&lt;script" in page.text
    assert await files_of(world, IVANOV) == {}
    await boss.submit("/forms", {"decision": "grant"}, comment=f"fine {NASTY}")
    assert "Waiting for my decision" not in boss.text
    page = await petrova.get("/forms")
    assert "Waiting for my decision" in page.text and "✓ Boss: fine &lt;script" in page.text
    await petrova.submit("/forms", {"decision": "grant"})
    page = await ivanov.get("/forms")
    assert "granted" in page.text and "Заявления/2026/Командировка Казань" in page.text
    [(name, text)] = (await files_of(world, IVANOV)).items()
    assert name == "2026/Командировка Казань script alert(1) script '& 2026-12-01.txt"
    assert "Days: 2,5" in text and "Hotel: нет" in text and "Purpose: a\nb" in text
    assert "Согласовано: Boss" in text and "Согласовано: Петрова Анна" in text


async def test_a_refusal_and_a_withdrawal(world: World) -> None:
    ivanov, boss = await signed_in(world, IVANOV), await signed_in(world, BOSS)
    for _ in range(2):
        await ivanov.get("/forms/trip")
        await ivanov.submit("/forms/trip", **TRIP)
    await boss.get("/forms")
    await boss.submit("/forms", {"decision": "refuse"}, comment="no money")
    assert "refused" in (await ivanov.get("/forms")).text and "no money" in ivanov.text
    await ivanov.submit("/forms", {"withdraw": "1"})
    assert "withdrawn" in ivanov.text
    assert "Waiting for my decision" not in (await boss.get("/forms")).text
    assert await files_of(world, IVANOV) == {}


async def test_nobody_decides_what_is_not_theirs(world: World) -> None:
    ivanov = await principal(world, IVANOV)
    form = world.directory.forms.all()["trip"]
    made = await requests.hand_in(world.directory, ivanov, form, TRIP)
    fields = {"request": str(made.id), "owner": str(made.owner), "decision": "grant"}
    for address, status in ((SIDOROV, 404), (IVANOV, 404), (PETROVA, 403)):  # hers is the second step
        browser = await signed_in(world, address)
        await browser.get("/forms")
        token = browser.form("/signout").fields["token"]
        assert (await browser.post("/forms", {**fields, "token": token})).status == status, address
        if address != IVANOV:
            stolen = {"request": str(made.id), "withdraw": "1", "token": token}
            assert (await browser.post("/forms", stolen)).status == 404
    boss = await signed_in(world, BOSS)
    await boss.get("/forms")
    token = boss.form("/signout").fields["token"]
    for wrong in ({"decision": "x"}, {"request": "9" * 30}, {"owner": "x"}):
        assert (await boss.post("/forms", {**fields, **wrong, "token": token})).status == 404
    assert (await boss.post("/forms", {**fields, "comment": "x" * 1001, "token": token})).status == 400
    assert (await boss.post("/forms", {**fields, "token": token})).status == 200
    assert (await boss.post("/forms", {**fields, "token": token})).status == 403  # decided
    found = await world.store.read(lambda tx: rows.get(tx, made.owner, made.id))
    assert found is not None and (found.step, len(found.decisions)) == (1, 1)


async def test_wrong_fields_are_shown(world: World) -> None:
    ivanov = await signed_in(world, IVANOV)
    for wrong in (
        {"place": ""},
        {"place": "x" * 501},
        {"first": "tomorrow"},
        {"days": "many"},
        {"by": "rocket"},
        {"why": "x" * 5001},
        {"why": "\x07"},
    ):
        await ivanov.get("/forms/trip")
        page = await ivanov.submit("/forms/trip", **{**TRIP, **wrong})
        assert page.status == 400 and page.text.count('aria-invalid="true"') == 1, wrong
        assert "<script" not in page.text
    assert (await ivanov.get("/forms/nothing")).status == 404
    sidorov = await signed_in(world, SIDOROV)
    await sidorov.get("/forms/trip")
    page = await sidorov.submit("/forms/trip", **TRIP)
    assert page.status == 400 and "There is nobody to decide" in page.text  # nobody leads his unit


async def test_a_form_without_route_is_a_file_at_once(world: World) -> None:
    ivanov = await signed_in(world, IVANOV)
    for _ in range(2):
        await ivanov.get("/forms/certificate")
        await ivanov.submit("/forms/certificate", **{"for": "the bank"})
    assert sorted(await files_of(world, IVANOV)) == ["/certificate (2).txt", "/certificate.txt"]
    person = await principal(world, IVANOV)
    form = world.directory.forms.all()["trip"]
    for _ in range(requests.AT_ONCE):
        await requests.hand_in(world.directory, person, form, TRIP)
    await ivanov.get("/forms/trip")
    page = await ivanov.submit("/forms/trip", **TRIP)
    assert page.status == 400 and "Too many requests" in page.text


async def test_the_same_in_chat(world: World) -> None:
    async with Client(world, IVANOV) as ivanov, Client(world, BOSS) as boss, Client(world, SIDOROV) as other:
        for client in (ivanov, boss, other):
            await client.log_in()
        listed = await ivanov.iq(
            f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>", to=IVANOV
        )
        nodes = {each.get("node") for each in find(listed, "items:query")}
        assert nodes >= {"armgs#forms", "armgs#requests"}
        asked = await ivanov.iq(command("armgs#forms"), "set", IVANOV)
        session = asked[0].get("sessionid", "")
        chosen = submit(form="trip")
        asked = await ivanov.iq(command("armgs#forms", session=session, inner=chosen), "set", IVANOV)
        fields = {each.get("var"): each.get("type") for each in asked[0].iter(f"{X}field")}
        assert (
            fields["by"] == "list-single" and fields["why"] == "text-multi" and fields["hotel"] == "boolean"
        )
        wrong = submit(place="Казань", first="x", days="2", by="train")
        refused = await ivanov.iq(command("armgs#forms", session=session, inner=wrong), "set", IVANOV)
        assert "bad-payload" in conditions(refused)
        right = submit(place="Казань", first="2026-12-01", days="2", by="train", why=["a", "b"], hotel="1")
        done = await ivanov.iq(command("armgs#forms", session=session, inner=right), "set", IVANOV)
        assert done[0].get("status") == "completed"

        idle = await other.iq(command("armgs#requests"), "set", "finance.example")
        assert idle[0].get("status") == "completed"
        asked = await boss.iq(command("armgs#requests"), "set", BOSS)
        [option] = [each.text or "" for each in asked[0].iterfind(f".//{X}option/{X}value")]
        session = asked[0].get("sessionid", "")
        shown = await boss.iq(
            command("armgs#requests", session=session, inner=submit(request=option)), "set", BOSS
        )
        said = "".join(each.text or "" for each in shown[0].iter(f"{X}value"))
        assert "Куда: Казань" in said and "Purpose: a\nb" in said
        granted = submit(decision="grant", comment="ok")
        done = await boss.iq(command("armgs#requests", session=session, inner=granted), "set", BOSS)
        assert done[0].get("status") == "completed"
        stolen = await other.iq(command("armgs#requests"), "set", SIDOROV)
        assert stolen[0].get("status") == "completed"  # nothing waits for him
    petrova = await signed_in(world, PETROVA)
    assert "Waiting for my decision" in (await petrova.get("/forms")).text


async def test_the_file_may_change(world: World) -> None:
    file = world.path / "forms.toml"
    assert list(world.directory.forms.all()) == ["trip", "certificate"]
    file.write_text("broken [")
    assert list(world.directory.forms.all()) == ["trip", "certificate"]  # what was right goes on
    with pytest.raises(Invalid):
        forms.check(world.config)
    file.write_text('[pass]\ntitle = "Pass"\nfields = [{name = "n", title = "N"}]\n')
    assert list(world.directory.forms.all()) == ["pass"]
    file.unlink()
    assert list(world.directory.forms.all()) == ["pass"]


def test_the_example_is_right() -> None:
    example = Path(__file__).parents[2] / "etc" / "forms.toml"
    assert list(forms.load(example)) == ["trip", "equipment", "pass"]


FIELD = '{name = "n", title = "N"}'


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        "[Form]\ntitle='T'\nfields=[" + FIELD + "]",
        "[f]\ntitle='T'",
        "[f]\ntitle='T'\nfields=[]",
        "[f]\ntitle=''\nfields=[" + FIELD + "]",
        "[f]\ntitle={ru='T'}\nfields=[" + FIELD + "]",
        "[f]\ntitle='T'\nfields=[" + FIELD + "," + FIELD + "]",
        "[f]\ntitle='T'\nunknown=1\nfields=[" + FIELD + "]",
        "[f]\ntitle='T'\nroute='head'\nfields=[" + FIELD + "]",
        "[f]\ntitle='T'\nroute=[1]\nfields=[" + FIELD + "]",
        "[f]\ntitle='T'\nfile='{x}'\nfields=[" + FIELD + "]",
        "[f]\ntitle='T'\nfile=1\nfields=[" + FIELD + "]",
        "[f]\ntitle='T'\nfolder='../x'\nfields=[" + FIELD + "]",
        "[f]\ntitle='T'\nfields=[1]",
        "[f]\ntitle='T'\nfields=[{name='N', title='N'}]",
        "[f]\ntitle='T'\nfields=[{name='n', title='N', kind='x'}]",
        "[f]\ntitle='T'\nfields=[{name='n', title='N', required=1}]",
        "[f]\ntitle='T'\nfields=[{name='n', title='N', choices=['a']}]",
        "[f]\ntitle='T'\nfields=[{name='n', title='N', kind='choice'}]",
        "[f]\ntitle='T'\nfields=[{name='n', title='N', kind='choice', choices=[1]}]",
        "[f]\ntitle='T'\nfields=[{name='n', title='N', more=1}]",
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "forms.toml"
    file.write_text(text)
    with pytest.raises(Invalid, match=r"forms\.toml"):
        forms.load(file)


@pytest.fixture(scope="module")
def trip(tmp_path_factory: pytest.TempPathFactory) -> forms.Form:
    file = tmp_path_factory.mktemp("forms") / "forms.toml"
    file.write_text(DEFINED)
    return forms.load(file)["trip"]


@given(st.dictionaries(st.sampled_from(["place", "first", "days", "by", "why", "hotel", "x"]), st.text()))
def test_whatever_is_filled_in(trip: forms.Form, answers: dict[str, str]) -> None:
    try:
        values = forms.filled(trip, answers)
    except WrongField as error:
        assert error.field in {field.name for field in trip.fields}
        return
    assert set(values) == {field.name for field in trip.fields}
    name = forms.file_name(trip, values)
    assert name.endswith(".txt") and "/" not in name and name.isprintable() and len(name) <= 104


def test_a_form_is_no_store_of_files(trip: forms.Form) -> None:
    many = {**TRIP, "place": "x" * 500, "why": "я" * 5000}
    assert forms.filled(trip, many)["why"] == "я" * 5000
    assert forms.file_name(trip, {"place": "../..", "first": "\x00"}) == "Командировка.txt"
    assert forms.file_name(trip, {"place": "a/b\n", "first": ""}) == "Командировка a b.txt"
