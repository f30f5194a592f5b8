# SPDX-License-Identifier: Apache-2.0
"""`armgs hold`, `armgs retention`, `armgs undelete`: what administrators see of what is removed."""

from __future__ import annotations

import csv
from pathlib import Path

from armgs_server.cli.workplace import Workplace
from armgs_server.formats import icalendar, mime, vcard
from armgs_server.storage import accounts, calindex, cards, collections, items, mail, restored, trees
from armgs_server.storage.tx import Tx
from tests.cli.conftest import IVANOV, Armgs

LETTER = b"Subject: letter\r\n\r\ntext\r\n"
EVENT = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n"
    b"DTSTART:20260102T100000Z\r\nSUMMARY:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:2\r\nFN:Anna\r\nN:;Anna;;;\r\nEND:VCARD\r\n"
KINDS = ("mail", "calendar", "addressbook")
ROLES = {"mail": "inbox", "calendar": "default", "addressbook": "default"}


async def fill(workplace: Workplace) -> int:
    """A letter, an event and a card; their owner."""
    owner = (await workplace.principal(IVANOV)).id

    async def work(tx: Tx) -> None:
        inbox, calendar, book = [await collections.by_role(tx, owner, kind, ROLES[kind]) for kind in KINDS]
        assert inbox and calendar and book
        await mail.append(tx, inbox, workplace.store.blobs.small(LETTER), mime.index(LETTER))
        event = await items.add(tx, calendar, workplace.store.blobs.small(EVENT), name="1.ics")
        await calindex.put(tx, event, calindex.entry(icalendar.check(EVENT)))
        card = await items.add(tx, book, workplace.store.blobs.small(CARD), name="2.vcf")
        await cards.put(tx, card, vcard.check(CARD))

    await workplace.store.write(work)
    return owner


async def remove(workplace: Workplace, keep_days: int = 0) -> None:
    owner = (await workplace.principal(IVANOV)).id

    async def work(tx: Tx) -> None:
        for kind in KINDS:
            where = await collections.by_role(tx, owner, kind, ROLES[kind])
            assert where is not None
            await items.remove(tx, where, [1], keep_days=keep_days)

    await workplace.store.write(work)


async def counts(workplace: Workplace) -> list[int]:
    owner = (await workplace.principal(IVANOV)).id

    async def work(tx: Tx) -> list[int]:
        found = [await collections.by_role(tx, owner, kind, ROLES[kind]) for kind in KINDS]
        return [each.items if each is not None else -1 for each in found]

    return await workplace.store.read(work)


def test_life_of_a_hold(armgs: Armgs, tmp_path: Path) -> None:
    armgs.work(fill)
    assert armgs("hold", "on", IVANOV, "--reason", "дело 1").code == 0
    [listed] = armgs("hold", "list", "--json").json
    assert (listed["address"], listed["reason"]) == (IVANOV, "дело 1")
    armgs.work(remove)
    assert armgs.work(counts) == [0, 0, 0]
    found = armgs("hold", "items", IVANOV, "--json").json
    assert sorted((each["kind"], each["path"], each["name"]) for each in found) == [
        ("addressbook", "contacts", "2.vcf"),
        ("calendar", "default", "1.ics"),
        ("mail", "INBOX", ""),
    ]
    assert armgs("hold", "items", IVANOV, "--to", "2020-01-01", "--json").json == []
    for text, kind in (
        ("LETTER", "mail"),
        ("summary:x", "calendar"),
        ("Anna", "addressbook"),
        ("1.ics", "calendar"),
    ):
        [one] = armgs("hold", "items", IVANOV, "--text", text, "--json").json
        assert one["kind"] == kind
    assert armgs("hold", "items", IVANOV, "--text", "nothing has this", "--json").json == []
    out = tmp_path / "out"
    assert armgs("hold", "export", IVANOV, out, "--json").json["items"] == 3
    with (out / "index.tsv").open(encoding="utf-8", newline="") as index:
        rows = list(csv.DictReader(index, delimiter="\t"))
    assert {(out / row["file"]).read_bytes() for row in rows} == {LETTER, EVENT, CARD}
    assert armgs("hold", "export", IVANOV, out).code != 0
    assert armgs("user", "delete", IVANOV, "--yes").code != 0
    assert armgs("hold", "off", IVANOV).code == 0
    assert armgs("hold", "off", IVANOV).code != 0
    assert armgs("hold", "list", "--json").json == []
    assert armgs("user", "delete", IVANOV, "--yes").code == 0


def test_rules(armgs: Armgs) -> None:
    assert armgs("retention", "set", "digital.example", "mail", "--keep", 365).code == 0
    assert armgs("retention", "set", IVANOV, "chat", "--remove-after", 90).code == 0
    assert armgs("retention", "set", IVANOV, "chat").code != 0
    assert armgs("retention", "set", IVANOV, "roster", "--keep", 1).code != 0
    assert armgs("retention", "list", "--json").json == [
        {"address": "digital.example", "kind": "mail", "keep": 365, "remove_after": 0},
        {"address": IVANOV, "kind": "chat", "keep": 0, "remove_after": 90},
    ]
    assert armgs("retention", "remove", IVANOV, "chat").code == 0
    assert len(armgs("retention", "list", "--json").json) == 1


def test_undelete(armgs: Armgs) -> None:
    armgs.work(fill)
    armgs.work(lambda workplace: remove(workplace, keep_days=3))
    assert armgs("undelete", IVANOV, "--to", "2020-01-01", "--json").json["brought_back"] == 0
    done = armgs("undelete", IVANOV, "--kind", "calendar", "--json").json
    assert (done["brought_back"], done["left_out"]) == (1, 0)
    assert armgs.work(counts) == [0, 1, 0]
    assert armgs("undelete", IVANOV, "--json").json["brought_back"] == 2
    assert armgs.work(counts) == [1, 1, 1]
    assert armgs("undelete", IVANOV, "--json").json == {
        "address": IVANOV,
        "brought_back": 0,
        "left_out": 0,
    }


def test_what_is_there_again_is_left_out(armgs: Armgs) -> None:
    armgs.work(fill)
    armgs.work(lambda workplace: remove(workplace, keep_days=3))
    armgs.work(fill)
    done = armgs("undelete", IVANOV, "--json").json
    assert (done["brought_back"], done["left_out"]) == (1, 2)
    assert armgs.work(counts) == [2, 1, 1]


def test_undelete_of_expunged_mail(armgs: Armgs) -> None:
    async def expunge(workplace: Workplace) -> None:
        owner = await fill(workplace)

        async def work(tx: Tx) -> None:
            inbox = await collections.by_role(tx, owner, "mail", "inbox")
            assert inbox is not None
            projects = await collections.create(tx, owner, "mail", "Projects")
            await mail.append(tx, projects, workplace.store.blobs.small(LETTER), mime.index(LETTER))
            await restored.throw(tx, inbox, [1])
            await restored.throw_all(tx, projects)
            await trees.delete(tx, projects)

        await workplace.store.write(work)

    async def projects(workplace: Workplace) -> tuple[int, int]:
        owner = (await workplace.principal(IVANOV)).id
        found = await workplace.store.read(lambda tx: collections.find(tx, owner, "mail", "Projects"))
        usage = await workplace.store.read(lambda tx: accounts.usage(tx, owner))
        return (0 if found is None else found.items), usage.items

    armgs.work(expunge)
    assert armgs.work(projects) == (0, 2)
    assert armgs("undelete", IVANOV, "--since", "2020-01-01", "--json").json["brought_back"] == 2
    assert armgs.work(counts) == [1, 1, 1]
    assert armgs.work(projects) == (1, 4)
