# SPDX-License-Identifier: Apache-2.0
"""Outside contacts: shown like people, reached elsewhere, and nothing else."""

from __future__ import annotations

from functools import partial

import pytest

from armgs_server.directory import Change, Principal, contacts, people, structure
from armgs_server.directory.candidates import Has, candidates
from armgs_server.directory.people_search import PeopleSearch
from armgs_server.errors import AlreadyExists, Conflict, Denied, Invalid, NotFound
from armgs_server.storage import collections, items
from armgs_server.storage.tx import Tx
from tests.directory.conftest import PASSWORD, Workplace

BOB, BOBBY = "bob@partner.example", "bobby@home.example"
DATA = {"organisation": "Partner; Ltd", "telephone": "+7 495 777", "family": "Builder"}


async def make(workplace: Workplace, *mails: str, unit: int = 0, name: str = "Bob Builder") -> Principal:
    return await workplace.directory.apply(
        partial(
            contacts.create,
            department=workplace.digital.id,
            name=name,
            mails=mails or (BOB, "Bobby@HOME.example"),
            unit=unit,
            post="Head of sales",
            data=DATA,
        )
    )


async def cards_of(workplace: Workplace, owner: int) -> list[str]:
    async def work(tx: Tx) -> list[bytes]:
        return [
            item.blob
            for book in await collections.all_of(tx, owner, "addressbook")
            for item in await items.scan(tx, owner, book.id)
        ]

    return [(await workplace.store.blobs.read(each)).decode() for each in await workplace.store.read(work)]


async def test_books_show_it_and_follow_its_changes(workplace: Workplace) -> None:
    made = await make(workplace, unit=workplace.web.id)
    assert made.mails == (BOB, BOBBY) and made.address == ""
    for owner in (workplace.digital.id, workplace.web.id):
        [card] = [each for each in await cards_of(workplace, owner) if BOB in each]
        assert card.split("\r\n")[4:-2] == [
            "FN:Bob Builder",
            "N:Builder;;;;",
            f"EMAIL;TYPE=INTERNET,PREF:{BOB}",
            f"EMAIL;TYPE=INTERNET:{BOBBY}",
            "ORG:Partner\\; Ltd",
            "TITLE:Head of sales",
            "TEL;TYPE=WORK,VOICE:+7 495 777",
        ]
    assert not any(BOB in each for each in await cards_of(workplace, workplace.finance.id))
    wanted = Change(name="Robert", unit=0, data={"organisation": None})
    await workplace.directory.apply(
        lambda tx: contacts.change(tx, made, wanted, mails=["robert@partner.example"])
    )
    [card] = [each for each in await cards_of(workplace, workplace.digital.id) if "Robert" in each]
    assert BOB not in card and "ORG" not in card
    assert not any("Robert" in each for each in await cards_of(workplace, workplace.web.id))
    await workplace.directory.apply(lambda tx: people.delete(tx, made.id))
    assert not any("Robert" in each for each in await cards_of(workplace, workplace.digital.id))


async def test_it_is_nobody_here(workplace: Workplace) -> None:
    made = await make(workplace)
    directory = workplace.directory
    assert await directory.by_address(BOB) is None and await directory.resolve(BOB) is None
    with pytest.raises(Denied):
        await directory.auth.login("imap", "192.0.2.1", True, BOB, PASSWORD)
    for change in (directory.disable, directory.enable):
        with pytest.raises(NotFound):
            await change(made.id)
    with pytest.raises(NotFound):
        await directory.set_password(made.id, PASSWORD)
    group = await directory.create_group("ring@digital.example", "Ring", [workplace.ivanov.id, made.id])
    assert [each.id for each in await directory.members(group)] == [workplace.ivanov.id]
    assert [each.id for each in await directory.direct_members(group)] == [workplace.ivanov.id]
    # People are found as before; who looks for addresses finds it.
    found = await PeopleSearch(directory).find(workplace.ivanov, {"any": "builder"}, 10)
    assert found.found == []
    await directory.index.refresh()
    for words in (BOB, BOBBY, "builder", "partner; ltd", "777"):
        hits = [line for part in candidates(directory.index, Has(words), -1) for _, line in part]
        assert made.id in {line.id for line in hits}, words


async def test_groups_hold_it_and_groups_in_groups(workplace: Workplace) -> None:
    directory = workplace.directory
    made, other = await make(workplace), await make(workplace, "eve@partner.example", name="Eve")
    inner = await directory.create_group("inner@digital.example", "Inner", [made.id])
    outer = await directory.create_group("outer@digital.example", "Outer", [inner.id, other.id])
    assert [each.id for each in await directory.contacts(outer)] == [made.id, other.id]
    assert await directory.contacts(workplace.web) == []
    await directory.remove_members(outer, [other.id])
    assert [each.id for each in await directory.contacts(outer)] == [made.id]
    abroad = await directory.create_group("ring@finance.example", "Ring")
    with pytest.raises(Conflict):
        await directory.apply(lambda tx: contacts.add_to(tx, abroad, made))
    await directory.apply(lambda tx: contacts.add_to(tx, outer, other))
    assert [each.id for each in await directory.contacts(outer)] == [made.id, other.id]
    await directory.apply(lambda tx: people.delete(tx, made.id))
    assert [each.id for each in await directory.contacts(outer)] == [other.id]


async def test_an_address_belongs_to_one_contact_of_a_department(workplace: Workplace) -> None:
    made = await make(workplace)
    for mails in ((BOBBY,), ("BOB@partner.example",)):
        with pytest.raises(AlreadyExists):
            await make(workplace, *mails)
    abroad = await workplace.directory.apply(
        lambda tx: contacts.create(tx, workplace.finance.id, "", [BOB], data=None)
    )
    assert abroad.name == BOB
    for wrong in (
        ("ivanov@digital.example",),  # a person's
        ("x@finance.example",),
        ("partner.example",),
        ("no address",),
        tuple(f"{number}@partner.example" for number in range(11)),
    ):
        with pytest.raises(Invalid):
            await make(workplace, *wrong)
    with pytest.raises(Invalid):
        await workplace.directory.apply(lambda tx: contacts.create(tx, workplace.digital.id, "x", []))
    with pytest.raises(Conflict):
        await workplace.directory.apply(
            lambda tx: contacts.create(tx, workplace.finance.id, "x", ["y@a.example"], unit=workplace.web.id)
        )
    store = workplace.store
    for mail in (BOB, "Bobby@home.EXAMPLE"):
        found = await store.read(lambda tx, mail=mail: contacts.by_mail(tx, workplace.digital.id, mail))  # type: ignore[misc]
        assert found == made
    for mail in ("b_b@partner.example", "%", "ob@partner.example", "", "\\"):
        found = await store.read(lambda tx, mail=mail: contacts.by_mail(tx, workplace.digital.id, mail))  # type: ignore[misc]
        assert found is None, mail
    with pytest.raises(Conflict):  # the department is not empty
        await workplace.directory.delete(workplace.finance.id)


async def test_only_people_groups_and_contacts_are_members(workplace: Workplace) -> None:
    group = await workplace.directory.create_group("ring@digital.example", "Ring")
    with pytest.raises(NotFound):
        await workplace.directory.apply(lambda tx: structure.add_members(tx, group, [workplace.web.id]))
