# SPDX-License-Identifier: Apache-2.0
"""The cards of the department's address book, through the life of their subjects."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from armgs_server.directory import Change
from armgs_server.directory.addressbook import card
from armgs_server.directory.model import Principal, check_name
from armgs_server.errors import Invalid
from armgs_server.formats import vcard
from armgs_server.storage import cards as index
from armgs_server.storage import collections, items
from tests.directory.conftest import Workplace


async def cards(workplace: Workplace) -> dict[str, str]:
    """Address -> text of every card in digital's book."""
    [book] = await workplace.store.read(
        lambda tx: collections.all_of(tx, workplace.digital.id, "addressbook")
    )
    found = {}
    for item in await workplace.store.read(lambda tx: items.scan(tx, book.owner, book.id)):
        text = (await workplace.store.blobs.read(item.blob)).decode()
        found[text.partition("PREF:")[2].partition("\r\n")[0]] = text
    return found


def test_a_card_has_what_clients_read() -> None:
    data = {"telephone": "+7 495 1", "mobile": "+7 900 2", "family": "Иванов", "given": "Иван"}
    person = Principal(
        3, "person", "ivanov@digital.example", "Иван, Иванов", 1, 2, "Lead; web", True, False, data
    )
    assert card(person, "Digital", "Web", ["boss@digital.example"]).decode() == (
        "BEGIN:VCARD\r\n"
        "VERSION:3.0\r\n"
        "PRODID:-//armgs_server//directory//EN\r\n"
        "UID:64cc6568-dc1d-5a79-b7a5-945004ecf33e\r\n"
        "FN:Иван\\, Иванов\r\n"
        "N:Иванов;Иван;;;\r\n"
        "EMAIL;TYPE=INTERNET,PREF:ivanov@digital.example\r\n"
        "EMAIL;TYPE=INTERNET:boss@digital.example\r\n"
        "ORG:Digital;Web\r\n"
        "IMPP;TYPE=WORK,PREF:xmpp:ivanov@digital.example\r\n"
        "TITLE:Lead\\; web\r\n"
        "TEL;TYPE=WORK,VOICE:+7 495 1\r\n"
        "TEL;TYPE=CELL,VOICE:+7 900 2\r\n"
        "END:VCARD\r\n"
    )


def test_long_lines_are_folded_between_characters() -> None:
    room = Principal(4, "room", "blue@digital.example", "Я" * 100, 1, 0, "", False, False, {"capacity": 8})
    text = card(room, "Digital", "", [])
    lines = text.split(b"\r\n")
    assert max(len(line) for line in lines) <= 75
    assert text.replace(b"\r\n ", b"").decode().split("\r\n")[4] == "FN:" + "Я" * 100
    assert b"X-CAPACITY:8" in lines
    assert b"CATEGORIES:room" in lines


@given(st.text(), st.text(), st.text())
def test_every_name_makes_a_card_that_reads_back(name: str, post: str, telephone: str) -> None:
    try:
        name, post = check_name(name), check_name(post)
    except Invalid:
        return
    person = Principal(
        3, "person", "a@digital.example", name, 1, 2, post, True, False, {"telephone": telephone}
    )
    found = vcard.check(card(person, name, post, ["b@digital.example"]))
    assert (found.fn, found.emails) == (name, ["a@digital.example", "b@digital.example"])
    assert [vcard.text_values(line) for line in found.all("TITLE")] == ([[post]] if post else [])


async def test_everybody_in_use_has_a_card(workplace: Workplace) -> None:
    await workplace.directory.create_room("blue@digital.example", "Blue", 8)
    await workplace.directory.create_group("all@digital.example", "All")
    people = {f"{name}@digital.example" for name in ("head", "ivanov", "petrova", "orlov", "blue")}
    assert set(await cards(workplace)) == people
    await workplace.directory.disable(workplace.orlov.id)
    await workplace.directory.delete(workplace.petrova.id)
    assert set(await cards(workplace)) == people - {"orlov@digital.example", "petrova@digital.example"}
    await workplace.directory.enable(workplace.orlov.id)
    assert "orlov@digital.example" in await cards(workplace)


async def test_a_card_follows_every_change(workplace: Workplace) -> None:
    directory, ivanov = workplace.directory, workplace.ivanov
    await directory.update(ivanov.id, Change(post="Начальник отдела"))
    await directory.add_alias(ivanov, "boss@digital.example")
    text = (await cards(workplace))["ivanov@digital.example"]
    assert "TITLE:Начальник отдела\r\n" in text
    assert "EMAIL;TYPE=INTERNET:boss@digital.example\r\n" in text
    [book] = await workplace.store.read(
        lambda tx: collections.all_of(tx, workplace.digital.id, "addressbook")
    )
    for text in ("иванов", "boss@digital", "начальник"):
        found = await workplace.store.read(
            lambda tx, text=text: index.containing(tx, book.owner, book.id, text)  # type: ignore[misc]
        )
        assert len(found) == 1


async def test_an_unchanged_card_keeps_its_etag(workplace: Workplace) -> None:
    async def modseq() -> int:
        [book] = await workplace.store.read(
            lambda tx: collections.all_of(tx, workplace.digital.id, "addressbook")
        )
        return book.modseq

    before = await modseq()
    await workplace.directory.update(workplace.ivanov.id, Change(data={"note": "not on the card"}))
    assert await modseq() == before
