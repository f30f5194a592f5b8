# SPDX-License-Identifier: Apache-2.0
"""`armgs restore person|collection|item`: parts of a backup in the store that is served, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from armgs_server.cli.workplace import Workplace
from armgs_server.storage import acts, archive, collections, items, keeping, trees
from armgs_server.storage.tx import Tx
from tests import postgres
from tests.cli.conftest import IVANOV, PASSWORD, SECURITY, Armgs

PETROVA = "petrova@digital.example"
BIG = bytes(range(256)) * 1000
MAIL = b"Message-ID: <%d@example>\r\nSubject: letter %d\r\n\r\nbody\r\n"
EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:{uid}
DTSTAMP:20261101T000000Z
DTSTART:20261201T100000Z
DTEND:20261201T110000Z
SUMMARY:{summary}
ORGANIZER:mailto:ivanov@digital.example
ATTENDEE:mailto:petrova@digital.example
END:VEVENT
END:VCALENDAR
"""
CARD = "BEGIN:VCARD\nVERSION:3.0\nUID:{uid}\nFN:{name}\nN:{name};;;;\nEND:VCARD\n"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def site(request: pytest.FixtureRequest, run: Armgs) -> Iterator[Armgs]:
    """A workplace of two people on each engine."""
    url, server = "sqlite", None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
        assert isinstance(server, postgres.Server)
        url = server.create_database()
    made = run("init", run.path, "--domain", "digital.example", "--store", url)
    assert made.code == 0, made.err
    file = run.path / "armgs.toml"
    file.write_text(file.read_text() + SECURITY + '\n[backup]\nkeep = ""\n')
    for address, name in ((IVANOV, "Иванов Пётр"), (PETROVA, "Anna Petrova")):
        added = run("user", "add", address, "--name", name, "--password-stdin", stdin=PASSWORD + "\n")
        assert added.code == 0, added.err
    yield run
    if server is not None:
        server.drop_database(url)


@pytest.fixture
def folder(site: Armgs, tmp_path: Path) -> Path:
    """Backups of a workplace in which Ivanov has something of each kind."""
    for number in range(3):
        (tmp_path / f"{number}.eml").write_bytes(MAIL % (number, number))
        site("import", "mail", IVANOV, tmp_path / f"{number}.eml", "--folder", "Projects/2026")
    for uid in ("one", "two"):
        give(site, tmp_path, "calendar", f"{uid}.ics", EVENT.format(uid=uid, summary=f"meeting {uid}"))
        give(site, tmp_path, "contacts", f"{uid}.vcf", CARD.format(uid=uid, name=f"Person {uid}"))
    give(site, tmp_path, "files", "big.bin", BIG, "--folder", "Договоры")
    give(site, tmp_path, "files", "small.txt", b"small", "--folder", "Договоры")
    back_up(site, tmp_path / "backups")
    return tmp_path / "backups"


def give(site: Armgs, tmp_path: Path, what: str, name: str, data: str | bytes, *options: str) -> None:
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.replace("\n", "\r\n").encode())
    done = site("import", what, IVANOV, tmp_path / name, *options)
    assert done.code == 0, done.err


def back_up(site: Armgs, folder: Path) -> None:
    added = site("backup", "add", folder)
    assert added.code == 0, added.err


def contents(site: Armgs, address: str = IVANOV) -> dict[str, dict[str, bytes]]:
    """What somebody has: by kind and path of the collection the names, or subjects, and bytes."""

    async def work(workplace: Workplace) -> dict[str, dict[str, bytes]]:
        owner = (await workplace.principal(address)).id
        found: dict[str, dict[str, bytes]] = {}
        for kind in ("mail", "calendar", "addressbook", "files"):
            for collection in await workplace.store.read(
                lambda tx, kind=kind: collections.all_of(tx, owner, kind)  # type: ignore[misc]
            ):
                chain = await workplace.store.read(
                    lambda tx, each=collection: collections.ancestors(tx, each)  # type: ignore[misc]
                )
                path = "/".join(above.name for above in reversed(chain))
                page = await workplace.store.read(
                    lambda tx, each=collection: items.scan(tx, owner, each.id)  # type: ignore[misc]
                )
                if page:
                    found[f"{kind} {path}"] = {
                        item.name or str(item.uid): await workplace.store.blobs.read(item.blob)
                        for item in page
                    }
        return found

    return site.work(work)


def lose(site: Armgs, kind: str, path: tuple[str, ...], names: set[str] | None = None) -> None:
    """Items, or the whole collection, are gone without a trace."""

    async def work(workplace: Workplace) -> None:
        owner = (await workplace.principal(IVANOV)).id

        async def remove(tx: Tx) -> None:
            found = await collections.by_path(tx, owner, kind, path)
            assert found is not None
            if names is None:
                await trees.delete(tx, found)
                return
            gone = [item for item in await items.scan(tx, owner, found.id) if (item.name or "") in names]
            assert gone
            await items.remove(tx, found, [item.uid for item in gone])

        await workplace.store.write(remove)

    site.work(work)


def told(site: Armgs) -> list[tuple[str, str]]:
    """Verbs and arguments of the acts of restoring in the department."""

    async def work(workplace: Workplace) -> list[tuple[str, str]]:
        department = workplace.directory.domains["digital.example"]
        found = await workplace.store.read(lambda tx: acts.page(tx, department))
        assert acts.first_broken(found, acts.NO_HASH, 1) is None
        return [(act.verb, act.arguments) for act in found if act.verb.startswith("restore.")]

    return site.work(work)


def restored(site: Armgs, *arguments: Any) -> Any:
    done = site("restore", *arguments, "--json")
    assert done.code == 0, done.err + done.out
    return done.json


def test_everything_that_is_missing_comes_back_in_place(site: Armgs, folder: Path) -> None:
    before = contents(site)
    lose(site, "mail", ("Projects", "2026"))
    lose(site, "calendar", ("default",), {"one.ics"})
    lose(site, "addressbook", ("contacts",), {"one.vcf", "two.vcf"})
    lose(site, "files", ("", "Договоры"))
    shown = restored(site, "person", folder, IVANOV, "--in-place", "--dry-run")
    assert shown["brought"] == 3 + 1 + 2 + 2
    assert contents(site) != before
    assert told(site) == []
    [mail] = [each for each in shown["collections"] if each["path"] == "Projects/2026"]
    assert [thing["title"] for thing in mail["things"]] == ["letter 0", "letter 1", "letter 2"]
    assert mail["bytes"] == sum(map(len, before["mail Projects/2026"].values()))

    done = restored(site, "person", folder, IVANOV, "--in-place")
    assert done["brought"] == shown["brought"]
    assert done["bytes"] == shown["bytes"]
    assert contents(site) == before
    again = restored(site, "person", folder, IVANOV, "--in-place")
    assert again["brought"] == 0
    verbs = told(site)
    assert [verb for verb, _ in verbs] == ["restore.person", "restore.end"]
    assert f'"address": "{IVANOV}"' in verbs[0][1]
    assert '"things": 8' in verbs[1][1]


def test_what_is_newer_stays_unless_it_is_asked_for(site: Armgs, folder: Path, tmp_path: Path) -> None:
    newer = EVENT.format(uid="one", summary="moved")
    give(site, tmp_path, "calendar", "one.ics", newer)
    give(site, tmp_path, "files", "small.txt", b"newer", "--folder", "Договоры")
    kept = restored(site, "person", folder, IVANOV, "--in-place")
    assert kept["brought"] == 0
    assert sum(each["differs"] for each in kept["collections"]) == 2
    assert contents(site)["files /Договоры"]["small.txt"] == b"newer"

    replaced = restored(site, "person", folder, IVANOV, "--in-place", "--replace")
    assert replaced["brought"] == 2
    now = contents(site)
    assert now["files /Договоры"]["small.txt"] == b"small"
    assert b"meeting one" in now["calendar default"]["one.ics"]


def test_beside_what_is_there(site: Armgs, folder: Path, tmp_path: Path) -> None:
    give(site, tmp_path, "calendar", "one.ics", EVENT.format(uid="one", summary="moved"))
    lose(site, "calendar", ("default",), {"two.ics"})
    lose(site, "files", ("", "Договоры"), {"small.txt"})
    before = contents(site)
    restored(site, "person", folder, IVANOV)
    now = contents(site)
    assert {path: now[path] for path in before} == before
    beside = {path.partition(" ")[0]: path for path in now if path not in before}
    assert sorted(beside) == ["addressbook", "calendar", "files", "mail"]
    assert beside["mail"].startswith("mail Восстановлено 20")
    assert beside["mail"].endswith("/Projects/2026")
    assert sorted(now[beside["files"]]) == ["big.bin", "small.txt"]
    # The event that is gone comes as it was; of the one that is there in another state comes a copy that
    # nobody else is told of.
    gone, copy = sorted(now[beside["calendar"]].values(), key=lambda data: b"UID:two" not in data)
    assert b"UID:two" in gone
    assert b"ATTENDEE" in gone
    assert b"meeting one" in copy
    assert b"UID:one" not in copy
    assert b"ATTENDEE" not in copy
    again = restored(site, "person", folder, IVANOV)
    assert again["brought"] == 0
    assert contents(site) == now


def test_only_what_is_missing_beside(site: Armgs, folder: Path) -> None:
    lose(site, "files", ("", "Договоры"), {"small.txt"})
    done = restored(site, "person", folder, IVANOV, "--missing")
    assert done["brought"] == 1
    beside = [path for path in contents(site) if "Восстановлено" in path]
    assert [path.rpartition("/")[2] for path in beside] == ["Договоры"]


def test_one_collection_and_one_thing(site: Armgs, folder: Path) -> None:
    before = contents(site)
    lose(site, "mail", ("Projects", "2026"))
    lose(site, "calendar", ("default",), {"one.ics", "two.ics"})
    lose(site, "files", ("", "Договоры"))
    assert site("restore", "item", folder, IVANOV, "mail", "<1@example>", "--in-place").code == 0
    assert site("restore", "item", folder, IVANOV, "calendar", "two", "--in-place").code == 0
    assert site("restore", "item", folder, IVANOV, "files", "Договоры/big.bin", "--in-place").code == 0
    now = contents(site)
    assert list(now["mail Projects/2026"].values()) == [MAIL % (1, 1)]
    assert list(now["calendar default"]) == ["two.ics"]
    assert list(now["files /Договоры"]) == ["big.bin"]
    assert restored(site, "collection", folder, IVANOV, "mail", "Projects", "--in-place")["brought"] == 2
    assert restored(site, "collection", folder, IVANOV, "files", "/", "--in-place")["brought"] == 1
    assert restored(site, "collection", folder, IVANOV, "calendar", "default", "--in-place")["brought"] == 1
    after = contents(site)
    assert sorted(after["mail Projects/2026"].values()) == sorted(before["mail Projects/2026"].values())
    assert {path: sorted(found) for path, found in after.items() if "mail" not in path} == {
        path: sorted(found) for path, found in before.items() if "mail" not in path
    }
    missing = site("restore", "item", folder, IVANOV, "mail", "<9@example>")
    assert missing.code == 3
    assert "no such thing" in missing.err
    assert "Projects/2026" in site("restore", "collection", folder, IVANOV, "mail", "Nowhere").err


def test_a_moment_chooses_the_backup_and_somebody_else_may_get_it(
    site: Armgs, folder: Path, tmp_path: Path
) -> None:
    [name] = [path.name for path in (folder / "generations").iterdir()]
    (folder / "generations" / name).rename(folder / "generations" / "20260102T030405.000000Z")
    lose(site, "files", ("", "Договоры"))
    back_up(site, folder)
    assert restored(site, "person", folder, IVANOV, "--in-place", "--dry-run")["brought"] == 0
    done = restored(
        site, "collection", folder, IVANOV, "files", "Договоры", "--at", "2026-02-01", "--into", PETROVA
    )
    assert done["brought"] == 2
    [path] = contents(site, PETROVA)
    assert path.startswith("files /Restored 2026-01-02 ")
    assert site("restore", "person", folder, IVANOV, "--at", "2026-01-01").code == 3
    assert not any(path.name.startswith(".opened-") for path in folder.iterdir())


def test_a_quota_is_kept(site: Armgs, folder: Path) -> None:
    async def limit(workplace: Workplace) -> None:
        from armgs_server.storage import accounts

        owner = (await workplace.principal(PETROVA)).id
        await workplace.store.write(lambda tx: accounts.set_quota(tx, owner, 1000))

    site.work(limit)
    refused = site("restore", "person", folder, IVANOV, "--into", PETROVA)
    assert refused.code == 6
    assert "whose quota has 1000 left" in refused.err
    assert contents(site, PETROVA) == {}
    assert told(site) == []


def test_what_the_backup_has_lost_is_named(site: Armgs, folder: Path) -> None:
    lose(site, "files", ("", "Договоры"))

    async def collect(workplace: Workplace) -> None:
        await workplace.store.write(lambda tx: tx.execute("UPDATE blob SET touched = 0 WHERE refs = 0"))
        await workplace.store.blobs.collect()

    site.work(collect)
    [body] = [path for path in (folder / "blobs").rglob("*") if path.is_file()]
    body.write_bytes(b"rotten")
    done = site("restore", "person", folder, IVANOV, "--in-place", "--json")
    assert done.code == 8
    refused = [one for each in done.json["collections"] for one in each["refused"]]
    assert [(one["id"], one["reason"]) for one in refused] == [("big.bin", "the backup has lost its bytes")]
    assert list(contents(site)["files /Договоры"]) == ["small.txt"]


def test_a_restore_that_brings_nothing_is_no_act(site: Armgs, folder: Path) -> None:
    test_what_the_backup_has_lost_is_named(site, folder)
    before = told(site)
    lost = site("restore", "item", folder, IVANOV, "files", "Договоры/big.bin", "--in-place")
    assert lost.code == 8
    assert told(site) == before


def test_one_that_is_refused_leaves_the_others(site: Armgs, folder: Path, tmp_path: Path) -> None:
    """Something else has the name of one of two events in the calendar where they go."""
    give(site, tmp_path, "calendar", "one.ics", EVENT.format(uid="one", summary="moved"))
    lose(site, "calendar", ("default",), {"two.ics"})
    restored(site, "person", folder, IVANOV)
    [path] = [path for path in contents(site) if path.startswith("calendar restored-")]
    name = path.removeprefix("calendar ")
    lose(site, "calendar", (name,), set(contents(site)[path]))
    give(site, tmp_path, "calendar", "three.ics", EVENT.format(uid="three", summary="x"), "--calendar", name)

    async def rename(workplace: Workplace) -> None:
        owner = (await workplace.principal(IVANOV)).id

        async def write(tx: Tx) -> None:
            found = await collections.find(tx, owner, "calendar", name)
            assert found is not None
            [item] = await items.scan(tx, owner, found.id)
            await items.rename(tx, item, "two.ics")

        await workplace.store.write(write)

    site.work(rename)
    done = site("restore", "person", folder, IVANOV, "--json")
    assert done.code == 8, done.err
    refused = [(one["id"], one["reason"]) for each in done.json["collections"] for one in each["refused"]]
    assert refused == [("two", "something else has this name")]
    assert done.json["brought"] == 1
    assert len(contents(site)[path]) == 2


def test_what_is_replaced_under_a_hold_is_kept(site: Armgs, folder: Path, tmp_path: Path) -> None:
    give(site, tmp_path, "calendar", "one.ics", EVENT.format(uid="one", summary="moved"))
    assert site("hold", "on", IVANOV, "--reason", "audit").code == 0
    assert restored(site, "person", folder, IVANOV, "--in-place", "--replace")["brought"] == 1

    async def kept(workplace: Workplace) -> list[bytes]:
        owner = (await workplace.principal(IVANOV)).id
        found = await workplace.store.read(lambda tx: keeping.removed(tx, owner))
        return [await workplace.store.blobs.read(each.blob) for each in found]

    [data] = site.work(kept)
    assert b"SUMMARY:moved" in data


def test_wrong_arguments(site: Armgs, folder: Path) -> None:
    assert site("restore", "person", folder, IVANOV, "--replace").code == 2
    assert site("restore", "person", folder, IVANOV, "--in-place", "--missing").code == 2
    assert site("restore", "person", folder, "nobody@digital.example").code == 3
    assert site("restore", "person", folder.parent, IVANOV).code == 3


def test_chat_comes_back_in_place(site: Armgs, tmp_path: Path) -> None:
    async def chat(workplace: Workplace) -> list[int]:
        owner = (await workplace.principal(IVANOV)).id

        async def work(tx: Tx) -> list[int]:
            return [await archive.append(tx, owner, PETROVA, f"id{n}", b"<message/>") for n in range(3)]

        return await workplace.store.write(work)

    async def forget(workplace: Workplace) -> None:
        owner = (await workplace.principal(IVANOV)).id
        await workplace.store.write(
            lambda tx: tx.execute("DELETE FROM archive WHERE owner = ? AND id = ?", owner, ids[1])
        )

    async def known(workplace: Workplace) -> list[int]:
        owner = (await workplace.principal(IVANOV)).id
        page = await workplace.store.read(lambda tx: archive.page(tx, owner, archive.ArchiveQuery()))
        return [each.id for each in page.messages]

    ids = site.work(chat)
    back_up(site, tmp_path / "backups")
    site.work(forget)
    assert site.work(known) == [ids[0], ids[2]]
    assert "--in-place only" in restored(site, "person", tmp_path / "backups", IVANOV)["remarks"][0]
    restored(site, "person", tmp_path / "backups", IVANOV, "--in-place")
    assert site.work(known) == ids
