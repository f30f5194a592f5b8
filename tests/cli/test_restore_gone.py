# SPDX-License-Identifier: Apache-2.0
"""`armgs restore person|department` of who was removed, on both engines: everything comes back, and what is
somebody else's by now stays that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from armgs_server.cli.workplace import Workplace
from armgs_server.directory import access, lookup
from armgs_server.storage import archive, collections, documents, items, roster
from armgs_server.storage.tx import Tx
from tests.cli.conftest import IVANOV, PASSWORD, Armgs
from tests.cli.test_restore_parts import (
    PETROVA,
    back_up,
    contents,
    folder,
    restored,
    site,
    told,
)

__all__ = ["folder", "site"]
STAFF = "staff@digital.example"


def do(site: Armgs, verb: str, **arguments: object) -> Any:
    done = site("do", verb, *(f"{name}={value}" for name, value in arguments.items()))
    assert done.code == 0, done.err
    return done.json


def shown(site: Armgs, address: str = IVANOV) -> dict[str, Any]:
    """What the directory says of somebody, without what changes with time."""
    found = do(site, "people.show", address=address)
    return {name: found[name] for name in found if name not in ("items", "bytes")}


def uids(site: Armgs) -> dict[str, list[tuple[int, int, str]]]:
    """Uids, flags and keywords by mailbox."""

    async def work(workplace: Workplace) -> dict[str, list[tuple[int, int, str]]]:
        owner = (await workplace.principal(IVANOV)).id

        async def read(tx: Tx) -> dict[str, list[tuple[int, int, str]]]:
            return {
                each.name: [
                    (item.uid, item.flags, item.keywords) for item in await items.scan(tx, owner, each.id)
                ]
                for each in await collections.all_of(tx, owner, "mail")
            }

        return await workplace.store.read(read)

    return site.work(work)


def log_in(site: Armgs) -> str:
    async def work(workplace: Workplace) -> str:
        found = await workplace.directory.auth.login("imap", "192.0.2.1", True, IVANOV, PASSWORD)
        return found.address

    return site.work(work)


def sums_agree(site: Armgs) -> None:
    """Accounts, collections and blobs count what is there."""

    async def work(workplace: Workplace) -> list[tuple[Any, ...]]:
        async def read(tx: Tx) -> list[tuple[Any, ...]]:
            wrong = await tx.rows(
                "SELECT 'collection', owner, id FROM collection WHERE items <> (SELECT COUNT(*) FROM item"
                " WHERE item.owner = collection.owner AND item.collection = collection.id)"
                " OR bytes <> (SELECT COALESCE(SUM(size), 0) FROM item WHERE item.owner = collection.owner"
                " AND item.collection = collection.id)"
            )
            wrong += await tx.rows(
                "SELECT 'account', owner, items FROM account WHERE items <> (SELECT COALESCE(SUM(items), 0)"
                " FROM collection WHERE collection.owner = account.owner)"
            )
            return wrong + await tx.rows(
                "SELECT 'blob', refs, size FROM blob WHERE refs < (SELECT COUNT(*) FROM item"
                " WHERE item.blob = blob.hash)"
            )

        return await workplace.store.read(read)

    assert site.work(work) == []


@pytest.fixture
def tied(site: Armgs, tmp_path: Path) -> dict[str, int]:
    """Ivanov with ties: a unit, a post, a group, another address, chat, rights of both sides."""
    unit = do(site, "units.create", domain="digital.example", name="Отдел")["number"]
    post = do(site, "posts.create", domain="digital.example", name="Начальник", unit=unit, head="true")[
        "number"
    ]
    do(site, "posts.appoint", post=post, person=IVANOV)
    do(site, "groups.create", address=STAFF, name="Staff", members=f"{IVANOV},{PETROVA}")
    do(site, "aliases.add", address=IVANOV, alias="boss@digital.example")

    async def work(workplace: Workplace) -> None:
        ivanov = (await workplace.principal(IVANOV)).id
        petrova = (await workplace.principal(PETROVA)).id

        async def write(tx: Tx) -> None:
            await archive.append(tx, ivanov, PETROVA, "id", b"<message/>")
            await documents.put(tx, ivanov, "vcard-temp", b"<vCard/>")
            await roster.put(
                tx, ivanov, roster.RosterItem(PETROVA, "Anna", "both", False, False, None, ("x",), 0)
            )
            for owner, grantee in ((ivanov, petrova), (petrova, ivanov)):
                calendar = await collections.by_role(tx, owner, "calendar", "default")
                assert calendar is not None
                await access.put_grant(tx, calendar, grantee, access.READ_ONLY)

        await workplace.store.write(write)

    site.work(work)
    return {"unit": unit, "post": post}


def ties(site: Armgs) -> tuple[Any, ...]:
    async def work(workplace: Workplace) -> tuple[Any, ...]:
        ivanov, petrova = await workplace.principal(IVANOV), await workplace.principal(PETROVA)

        async def read(tx: Tx) -> tuple[Any, ...]:
            page = await archive.page(tx, ivanov.id, archive.ArchiveQuery())
            granted = [
                [
                    (await access.granted(tx, each, grantee))
                    for each in await collections.all_of(tx, owner, "calendar")
                ]
                for owner, grantee in ((ivanov.id, petrova.id), (petrova.id, ivanov.id))
            ]
            return (
                [each.id for each in page.messages],
                await documents.get(tx, ivanov.id, "vcard-temp"),
                [(each.jid, each.name, each.groups) for each in await roster.load(tx, ivanov.id)],
                granted,
                await lookup.aliases(tx, ivanov.id),
                sorted(await lookup.groups_of(tx, ivanov)),
            )

        return await workplace.store.read(read)

    return site.work(work)


def test_who_was_removed_comes_back_with_everything(site: Armgs, tied: dict[str, int], folder: Path) -> None:
    before = (contents(site), uids(site), shown(site), ties(site))
    assert site("remove", IVANOV, "--yes").code == 0
    planned = restored(site, "person", folder, IVANOV, "--dry-run")
    assert planned["remarks"] == [f"comes back: person {IVANOV}"]
    assert site("user", "show", IVANOV).code == 3

    done = restored(site, "person", folder, IVANOV)
    assert done["remarks"] == [f"is back: person {IVANOV}"]
    assert (contents(site), uids(site), shown(site), ties(site)) == before
    assert log_in(site) == IVANOV
    sums_agree(site)
    assert [verb for verb, _ in told(site)] == ["restore.person", "restore.end"]
    assert restored(site, "person", folder, IVANOV, "--in-place")["brought"] == 0


def test_an_estate_becomes_the_person_again(
    site: Armgs, tied: dict[str, int], folder: Path, tmp_path: Path
) -> None:
    before = (contents(site), shown(site), ties(site))
    assert site("remove", IVANOV, "--successor", PETROVA, "--yes").code == 0
    (tmp_path / "late.eml").write_bytes(b"Subject: late\r\n\r\nto the estate\r\n")
    assert site("import", "mail", IVANOV, tmp_path / "late.eml").code in (0, 3)
    restored(site, "person", folder, IVANOV)
    now = contents(site)
    assert {path: now[path] for path in before[0]} == before[0]
    assert shown(site) == before[1]
    assert ties(site) == before[2]
    assert log_in(site) == IVANOV
    sums_agree(site)


def test_what_is_somebody_elses_stays_that(site: Armgs, tied: dict[str, int], folder: Path) -> None:
    assert site("remove", IVANOV, "--yes").code == 0
    do(site, "posts.appoint", post=tied["post"], person=PETROVA)
    do(site, "groups.remove", address=STAFF)
    do(site, "aliases.add", address=PETROVA, alias="boss@digital.example")
    done = restored(site, "person", folder, IVANOV)
    assert len(done["remarks"]) == 4, done["remarks"]
    assert any("Начальник is held by somebody else" in text for text in done["remarks"])
    found = shown(site)
    assert (found["terms"], found["aliases"], found["head"]) == ([], [], False)

    assert site("remove", IVANOV, "--yes").code == 0
    added = site("user", "add", IVANOV, "--password-stdin", stdin=PASSWORD + "\n")
    assert added.code == 0
    # Somebody who has the address now is who gets things.
    assert restored(site, "person", folder, IVANOV, "--in-place")["brought"] > 0


def test_a_number_that_was_given_out_again(site: Armgs, folder: Path) -> None:
    """As after the whole store was restored from an earlier backup."""
    before = contents(site)

    async def old(workplace: Workplace) -> int:
        return (await workplace.principal(IVANOV)).id

    number = site.work(old)
    assert site("remove", IVANOV, "--yes").code == 0

    async def count_on_from(workplace: Workplace, value: int) -> int:
        async def write(tx: Tx) -> int:
            sql = "SELECT value FROM meta WHERE name = 'next_principal'"
            before = int(await tx.value(sql))
            await tx.execute("UPDATE meta SET value = ? WHERE name = 'next_principal'", str(value))
            return before

        return await workplace.store.write(write)

    last = site.work(lambda workplace: count_on_from(workplace, number))
    added = site("user", "add", "sidorov@digital.example", "--password-stdin", stdin=PASSWORD + "\n")
    assert added.code == 0, added.err
    site.work(lambda workplace: count_on_from(workplace, last))
    restored(site, "person", folder, IVANOV)
    assert site.work(old) != number
    assert contents(site) == before
    assert log_in(site) == IVANOV
    sums_agree(site)


def test_a_department_comes_back(site: Armgs, tied: dict[str, int], folder: Path, tmp_path: Path) -> None:
    room = site("room", "add", "hall@digital.example", "--capacity", "8")
    assert room.code == 0, room.err
    do(site, "contacts.create", domain="digital.example", name="Гость", mails="guest@elsewhere.example")
    outside = do(site, "contacts.list", domain="digital.example")
    (guest,) = outside["contacts"]
    (tmp_path / "rules.txt").write_bytes(b"rules")
    assert site("import", "files", "digital.example", tmp_path / "rules.txt").code == 0
    back_up(site, folder)
    before = (contents(site), uids(site), shown(site), shown(site, PETROVA), ties(site))
    for address in (IVANOV, PETROVA):
        assert site("remove", address, "--yes").code == 0
    assert site("room", "delete", "hall@digital.example").code == 0
    for verb, given in (
        ("groups.remove", {"address": STAFF}),
        ("posts.remove", {"post": tied["post"]}),
        ("units.remove", {"unit": tied["unit"]}),
        ("contacts.remove", {"contact": guest["number"]}),
        ("departments.remove", {"domain": "digital.example"}),
    ):
        do(site, verb, **given)
    assert site("restore", "person", folder, IVANOV).code == 6  # its department first
    planned = restored(site, "department", folder, "digital.example", "--dry-run")
    assert f"comes back: person {IVANOV}" in planned["remarks"]

    done = restored(site, "department", folder, "digital.example")
    assert (contents(site), uids(site), shown(site), shown(site, PETROVA), ties(site)) == before
    assert do(site, "contacts.list", domain="digital.example") == outside
    assert log_in(site) == IVANOV
    assert "is back: room hall@digital.example" in done["remarks"]
    found = contents(site, "digital.example")
    assert found["files "] == {"rules.txt": b"rules"}
    assert len(found["addressbook directory"]) == 4  # the outside contact's too
    sums_agree(site)
    assert restored(site, "department", folder, "digital.example", "--in-place")["brought"] == 0
    assert "restore.department" in [verb for verb, _ in told(site)]


def test_people_of_a_department_who_are_gone(site: Armgs, tied: dict[str, int], folder: Path) -> None:
    before = contents(site)
    assert site("remove", IVANOV, "--yes").code == 0
    done = restored(site, "department", folder, "digital.example", "--in-place")
    assert f"is back: person {IVANOV}" in done["remarks"]
    assert contents(site) == before
    assert site("restore", "department", folder, "nowhere.example").code == 3


@pytest.mark.parametrize("moment", [0.0, 0.15, 0.4])
def test_a_kill_in_the_middle(site: Armgs, folder: Path, tmp_path: Path, moment: float) -> None:
    """What was done is whole; nobody is let in before the end; the same command goes on."""
    for number in range(120):
        (tmp_path / f"more-{number}.eml").write_bytes(b"Subject: more %d\r\n\r\n" % number + b"x" * 70_000)
    (tmp_path / "many").mkdir()
    for number in range(120):
        (tmp_path / f"more-{number}.eml").rename(tmp_path / "many" / f"{number}.eml")
    assert site("import", "mail", IVANOV, tmp_path / "many", "--folder", "Many").code == 0
    back_up(site, folder)
    before = (contents(site), uids(site), shown(site))
    assert site("remove", IVANOV, "--yes").code == 0
    collect(site)

    command = [sys.executable, "-m", "armgs_server", "restore", "person", str(folder), IVANOV]
    child = subprocess.Popen(
        [*command, "--config", str(site.path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: exists(site) or child.poll() is not None)
    time.sleep(moment)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(30)
    sums_agree(site)
    if len(uids(site).get("Many", [])) < 120:
        assert shown(site)["disabled"]
    if shown(site)["disabled"]:  # otherwise it was quicker than the kill, and all is done
        restored(site, "person", folder, IVANOV)
    assert (contents(site), uids(site), shown(site)) == before
    assert log_in(site) == IVANOV
    sums_agree(site)


def collect(site: Armgs) -> None:
    async def work(workplace: Workplace) -> None:
        await workplace.store.write(lambda tx: tx.execute("UPDATE blob SET touched = 0 WHERE refs = 0"))
        await workplace.store.blobs.collect()

    site.work(work)


def exists(site: Armgs) -> bool:
    async def work(workplace: Workplace) -> bool:
        return await workplace.directory.by_address(IVANOV) is not None

    return site.work(work)


def wait_for(condition: Any, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
