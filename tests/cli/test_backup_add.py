# SPDX-License-Identifier: Apache-2.0
"""`armgs backup add`, `list`, `verify`, `trial`, and `armgs restore` from a folder, on both engines."""

from __future__ import annotations

import asyncio
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from armgs_server.cli.app import main
from armgs_server.cli.backup_bodies import Throttle
from armgs_server.cli.backup_folder import Folder
from armgs_server.config import load
from armgs_server.errors import Conflict
from armgs_server.storage import collections
from armgs_server.storage import mail as messages
from armgs_server.storage.tx import Tx
from tests import postgres
from tests.cli.conftest import IVANOV, PASSWORD, SECURITY, Armgs
from tests.cli.test_restore import contents
from tests.world import World

BIG = bytes(range(256)) * 1000
MAIL = b"Subject: kept\r\n\r\nbody\r\n"


@pytest.fixture
def folder(armgs: Armgs, tmp_path: Path) -> Path:
    """A folder with one generation of a workplace with a message and a large file."""
    file = armgs.path / "armgs.toml"
    file.write_text(file.read_text() + '\n[backup]\nkeep = ""\n')
    (tmp_path / "one.eml").write_bytes(MAIL)
    give(armgs, tmp_path, "big.bin", BIG)
    armgs("import", "mail", IVANOV, tmp_path / "one.eml")
    added = armgs("backup", "add", tmp_path / "backups", "--json")
    assert added.code == 0, added.err
    assert added.json["new_bodies"] == 1
    assert added.json["bytes"] == len(BIG)
    return tmp_path / "backups"


def give(armgs: Armgs, tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert armgs("import", "files", IVANOV, tmp_path / name).code == 0


def bodies(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "blobs").rglob("*") if path.is_file())


def generations(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "generations").iterdir())


def test_the_second_copies_what_is_new(armgs: Armgs, folder: Path, tmp_path: Path) -> None:
    [first] = bodies(folder)
    written = first.stat().st_mtime_ns
    give(armgs, tmp_path, "other.bin", b"other" * 30_000)
    added = armgs("backup", "add", folder, "--json").json
    assert (added["new_bodies"], added["bytes"], added["removed_generations"]) == (1, 150_000, 0)
    assert len(bodies(folder)) == 2
    assert first.stat().st_mtime_ns == written
    listed = armgs("backup", "list", folder, "--json").json
    assert [each["bodies"] for each in listed] == [256_000, 406_000]
    assert [each["generation"] for each in listed] == generations(folder)
    assert not list((armgs.path / "data").glob("backup-*"))
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in bodies(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_moment_of_the_past(armgs: Armgs, folder: Path, tmp_path: Path) -> None:
    before = contents(armgs, armgs.path, tmp_path)
    [name] = generations(folder)
    # The first one is made older, by its name alone: --at is to the second.
    old = folder / "generations" / "20260102T030405.000000Z"
    (folder / "generations" / name).rename(old)
    armgs("user", "delete", IVANOV)
    assert armgs("backup", "add", folder).code == 0

    restored = armgs("restore", folder, tmp_path / "old", "--at", "2026-02-01", "--json")
    assert restored.code == 0, restored.err
    assert contents(armgs, tmp_path / "old", tmp_path) == before
    assert armgs("restore", folder, tmp_path / "new", "--json").code == 0
    assert armgs("user", "list", "--json", "--config", tmp_path / "new").json == []
    refused = armgs("restore", folder, tmp_path / "none", "--at", "2026-01-01")
    assert refused.code == 3
    assert "the oldest is of 2026-01-02T03:04:05Z" in refused.err
    assert not (tmp_path / "none").exists()


def test_what_no_rule_keeps_goes_with_its_bodies(armgs: Armgs, folder: Path) -> None:
    first = generations(folder)
    armgs("user", "delete", IVANOV)
    added = armgs("backup", "add", folder, "--keep", "1d", "--json").json
    assert added["removed_generations"] == 1
    assert len(generations(folder)) == 1
    assert generations(folder) != first
    named = {place for each in Folder(folder).generations() for place, _ in each.places()}
    assert {str(path.relative_to(folder / "blobs")) for path in bodies(folder)} == named
    assert armgs("backup", "add", folder, "--keep", "some").code == 5


def test_an_interrupted_one_has_never_been(
    armgs: Armgs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill leaves the next one takes away; an error takes it away itself."""
    left = folder / "generations" / ".unfinished-20260101T000000.000000Z"
    (left / "database").mkdir(parents=True)
    (left / "database" / "store.db").write_bytes(b"half")
    half = bodies(folder)[0].with_name("0123456789abcdef.part")
    half.write_bytes(b"half")
    links = armgs.path / "data" / "backup-killed"
    links.mkdir()
    os.utime(links, (0, 0))
    assert len(armgs("backup", "list", folder, "--json").json) == 1
    assert armgs("backup", "add", folder).code == 0
    assert not left.exists()
    assert not half.exists()
    assert not links.exists()

    before = generations(folder)
    (armgs.path / "data" / "store.db").rename(armgs.path / "data" / "gone.db")
    assert armgs("backup", "add", folder).code == 6
    assert generations(folder) == before


def test_one_at_a_time_and_only_into_its_own(armgs: Armgs, folder: Path, tmp_path: Path) -> None:
    with Folder(folder).locked(exclusive=False):
        refused = armgs("backup", "add", folder)
    assert refused.code == 6
    assert "another command works on" in refused.err
    with (
        Folder(folder).locked(exclusive=True),
        pytest.raises(Conflict),
        Folder(folder).locked(exclusive=False),
    ):
        raise AssertionError("two at a time")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one").write_text("precious")
    assert armgs("backup", "add", tmp_path / "letters").code == 6
    assert armgs("backup", "list", tmp_path / "letters").code == 3


def test_verify_and_trial_find_all_well(armgs: Armgs, folder: Path) -> None:
    verified = armgs("backup", "verify", folder, "--json")
    assert verified.code == 0, verified.out
    assert [each["check"] for each in verified.json] == ["files", "database", "bodies"]
    assert verified.json[-1]["detail"] == "1, 256000 bytes"
    tried = armgs("backup", "trial", folder, "--json")
    assert tried.code == 0, tried.out
    assert tried.json[-1]["detail"] == f"as {IVANOV}"
    assert tried.json[-2]["detail"] == "2 things of 1 people could come back"
    # Neither has changed anything, nor left anything behind.
    assert armgs("backup", "verify", folder).code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["blobs", "generations"]


@pytest.mark.parametrize("what", ["blobs", "store.db", "armgs.toml", "manifest.json", "blobs.tsv"])
@pytest.mark.parametrize("gone", [False, True])
def test_verify_finds_damage(armgs: Armgs, folder: Path, tmp_path: Path, what: str, gone: bool) -> None:
    [path] = bodies(folder) if what == "blobs" else folder.rglob(what)
    if gone:
        path.unlink()
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    found = armgs("backup", "verify", folder, "--json")
    assert found.code == 9
    assert "problem" in [each["status"] for each in found.json]
    if what != "blobs" or gone:
        assert armgs("backup", "trial", folder).code == 9
    assert armgs("restore", folder, tmp_path / "restored").code == 5
    assert not (tmp_path / "restored").exists()


def test_a_body_the_store_has_lost_is_named(armgs: Armgs, folder: Path, tmp_path: Path) -> None:
    """The backup is made nevertheless: what is there is worth keeping."""
    give(armgs, tmp_path, "other.bin", b"other" * 30_000)
    [place] = {
        path.relative_to(armgs.path / "data" / "blobs")
        for path in (armgs.path / "data" / "blobs").rglob("*")
        if path.is_file() and path.stat().st_size == 150_000
    }
    (armgs.path / "data" / "blobs" / place).write_bytes(b"rotten" * 25_000)
    added = armgs("backup", "add", folder, "--json")
    assert added.code == 9
    assert added.json["damaged"] == [str(place)]
    assert len(bodies(folder)) == 1
    assert len(generations(folder)) == 2
    found = armgs("backup", "verify", folder, "--json")
    assert found.code == 9
    assert [each["check"] for each in found.json if each["status"] == "problem"] == ["store"]


def test_the_short_form_writes_a_file(armgs: Armgs, tmp_path: Path) -> None:
    assert armgs("backup", armgs.path, tmp_path / "a.tar").code == 0
    assert armgs("backup", "file", armgs.path, tmp_path / "b.tar").code == 0
    assert armgs("restore", tmp_path / "a.tar", tmp_path / "a", "--at", "2026-01-01").code == 2


async def test_the_daemon_goes_on(tmp_path: Path) -> None:
    """Generations made while it writes are each of one moment: the trial finds their counts agree."""
    async with World(tmp_path) as world:
        person = await world.directory.by_address(IVANOV)
        assert person is not None
        written, stop = 0, False

        async def deliver() -> None:
            nonlocal written
            while not stop:
                ref = await world.store.blobs.put(b"Subject: x\r\n\r\n" + b"%09d\r\n" % written * 7000)
                index = await messages.read_index(world.store.blobs, ref)

                async def work(tx: Tx) -> None:
                    inbox = await collections.by_role(tx, person.id, "mail", "inbox")
                    assert inbox is not None
                    await messages.append(tx, inbox, ref, index)  # noqa: B023 - awaited before the next

                await world.store.write(work)
                written += 1

        writing = asyncio.create_task(deliver())
        for number in range(3):
            while written < 5 * (number + 1):
                await asyncio.sleep(0.01)
            arguments = ["backup", "add", str(tmp_path / "backups"), "--keep", "", "--config"]
            arguments.append(str(world.path))
            assert await asyncio.to_thread(main, arguments) == 0
        stop = True
        await writing
        for each in Folder(tmp_path / "backups").generations():
            at = datetime.fromtimestamp(each.created.timestamp() + 1, UTC).astimezone()
            arguments = ["backup", "trial", str(tmp_path / "backups"), "--at", f"{at:%Y-%m-%dT%H:%M:%S}"]
            assert await asyncio.to_thread(main, arguments) == 0
    counts = [each.manifest["counts"]["item"] for each in Folder(tmp_path / "backups").generations()]
    assert counts == sorted(counts)
    assert counts[0] >= 5


def test_the_rate_is_kept_by_all_together() -> None:
    throttle = Throttle(1_000_000)
    delays = [throttle.delay(500_000) for _ in range(4)]
    assert delays[0] == pytest.approx(0.5, abs=0.1)
    assert 1.5 < delays[-1] <= 2.0
    assert Throttle(0).delay(10**12) == 0


@pytest.mark.postgres
def test_postgresql(run: Armgs, postgresql: postgres.Server, postgresql_url: str, tmp_path: Path) -> None:
    """A generation of PostgreSQL's tables is tried without a database, and comes back into one."""
    made = run("init", run.path, "--domain", "digital.example", "--store", postgresql_url)
    assert made.code == 0, made.err
    file = run.path / "armgs.toml"
    file.write_text(file.read_text() + SECURITY)
    run("user", "add", IVANOV, "--password-stdin", stdin=PASSWORD + "\n")
    give(run, tmp_path, "big.bin", BIG)
    before = contents(run, run.path, tmp_path)
    folder = tmp_path / "backups"
    for bodies_copied in (1, 0):
        added = run("backup", "add", folder, "--rate", "100", "--json")
        assert added.code == 0, added.err
        assert added.json["new_bodies"] == bodies_copied
    assert load(file).store.url == postgresql_url
    postgresql.drop_database(postgresql_url)
    verified = run("backup", "verify", folder, "--json")
    assert verified.code == 0, verified.out
    tried = run("backup", "trial", folder, "--json")
    assert tried.code == 0, tried.out
    assert tried.json[-1]["detail"] == f"as {IVANOV}"
    postgresql.recreate_database(postgresql_url)
    done = run("restore", folder, tmp_path / "restored")
    assert done.code == 0, done.err
    assert contents(run, tmp_path / "restored", tmp_path) == before
