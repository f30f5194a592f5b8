# SPDX-License-Identifier: Apache-2.0
"""`armgs restore`: verifies first, replaces last, and brings everything back, on both engines."""

from __future__ import annotations

import io
import json
import socket
import tarfile
import time
from pathlib import Path

import pytest

from armgs_server.cli.workplace import Workplace
from armgs_server.config import load
from armgs_server.storage import collections
from armgs_server.storage.blob_objects import Objects
from tests import postgres, seaweedfs
from tests.cli.conftest import IVANOV, PASSWORD, SECURITY, Armgs

MAIL = b"Subject: kept\r\n\r\nbody\r\n"


@pytest.fixture
def backup(armgs: Armgs, tmp_path: Path) -> Path:
    """A backup of a workplace with a message, and a file above the inline limit."""
    (tmp_path / "one.eml").write_bytes(MAIL)
    (tmp_path / "big.bin").write_bytes(bytes(range(256)) * 1000)
    armgs("import", "mail", IVANOV, tmp_path / "one.eml")
    armgs("import", "files", IVANOV, tmp_path / "big.bin")
    assert armgs("backup", armgs.path, tmp_path / "backup.tar").code == 0
    return tmp_path / "backup.tar"


def contents(armgs: Armgs, path: Path, tmp_path: Path) -> dict[str, bytes]:
    out = tmp_path / f"out-{len(list(tmp_path.glob('out-*')))}"
    done = armgs("export", IVANOV, out, "--config", path)
    assert done.code == 0, done.err
    return {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()}


def validity(armgs: Armgs) -> int:
    async def work(workplace: Workplace) -> int:
        person = await workplace.principal(IVANOV)
        inbox = await workplace.store.read(lambda tx: collections.by_role(tx, person.id, "mail", "inbox"))
        assert inbox is not None
        return inbox.uid_validity

    return armgs.work(work)


def test_round_trip(armgs: Armgs, backup: Path, tmp_path: Path) -> None:
    before, old_validity = contents(armgs, armgs.path, tmp_path), validity(armgs)
    key = (armgs.path / "tls" / "ca.key").read_bytes()
    restored = tmp_path / "restored"
    done = armgs("restore", backup, restored, "--json")
    assert done.code == 0, done.err
    assert contents(armgs, restored, tmp_path) == before
    assert (restored / "tls" / "ca.key").read_bytes() == key
    assert sorted(path.name for path in restored.iterdir()) == ["armgs.toml", "data", "tls"]
    armgs.path = restored
    assert validity(armgs) > old_validity  # uids will be given out again: clients must know

    async def log_in(workplace: Workplace) -> str:
        return (await workplace.directory.auth.login("imap", "192.0.2.1", True, IVANOV, PASSWORD)).address

    assert armgs.work(log_in) == IVANOV


def test_replace_keeps_what_was_there(armgs: Armgs, backup: Path, tmp_path: Path) -> None:
    armgs("user", "delete", IVANOV)
    refused = armgs("restore", backup, armgs.path)
    assert refused.code == 4
    assert armgs("user", "list", "--json").json == []

    done = armgs("restore", backup, armgs.path, "--replace", "--json")
    assert done.code == 0, done.err
    assert [one["address"] for one in armgs("user", "list", "--json").json] == [IVANOV]
    before = Path(done.json["before"])
    assert before.parent == armgs.path.parent
    assert armgs("user", "list", "--json", "--config", before).json == []


def test_not_while_the_daemon_runs(armgs: Armgs, backup: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        offset = server.getsockname()[1] - 143
        file = armgs.path / "armgs.toml"
        file.write_text(file.read_text().replace("port_offset = 0", f"port_offset = {offset}"))
        refused = armgs("restore", backup, armgs.path, "--replace")
    assert refused.code == 6
    assert "stop the daemon first" in refused.err


def rewritten(backup: Path, change: dict[str, bytes | None], target: Path) -> Path:
    """The same archive with some members changed, or removed where the bytes are None."""
    with tarfile.open(backup) as source, tarfile.open(target, "w") as out:
        for member in source:
            file = source.extractfile(member)
            assert file is not None
            data = change.get(member.name, file.read())
            if data is not None:
                member.size = len(data)
                out.addfile(member, io.BytesIO(data))
        for name in change.keys() - set(source.getnames()):
            info = tarfile.TarInfo(name)
            info.size = len(change[name] or b"")
            out.addfile(info, io.BytesIO(change[name] or b""))
    return target


def test_damage_is_found_before_anything_is_replaced(armgs: Armgs, backup: Path, tmp_path: Path) -> None:
    with tarfile.open(backup) as tar:
        blob = next(name for name in tar.getnames() if name.startswith("blobs/"))
        manifest = json.load(tar.extractfile("manifest.json") or io.BytesIO())
    other_format = json.dumps(manifest | {"format": 99}).encode()
    cases: list[tuple[dict[str, bytes | None], str]] = [
        ({blob: b"other bytes"}, "is not what was backed up"),
        ({blob: None}, "is not what was backed up"),
        ({"database/store.db": b"x"}, "is not what was backed up"),
        ({"manifest.json": None}, "it has no manifest"),
        ({"manifest.json": b"{"}, "is damaged"),
        ({"manifest.json": other_format}, "has format 99"),
        ({"../outside": b"x"}, "unexpected member '../outside'"),
        ({"tls/../../outside": b"x"}, "unexpected member"),
    ]
    for number, (change, reason) in enumerate(cases):
        damaged = rewritten(backup, change, tmp_path / f"damaged-{number}.tar")
        refused = armgs("restore", damaged, armgs.path, "--replace")
        assert refused.code == 5, reason
        assert reason in refused.err
    cut = tmp_path / "cut.tar"
    cut.write_bytes(backup.read_bytes()[:70_000])
    assert armgs("restore", cut, armgs.path, "--replace").code == 5
    assert armgs("restore", tmp_path / "none.tar", armgs.path, "--replace").code == 3
    assert [one["address"] for one in armgs("user", "list", "--json").json] == [IVANOV]
    assert not [path for path in armgs.path.parent.iterdir() if path.name.startswith(".")]
    assert not (tmp_path / "outside").exists()


@pytest.mark.postgres
def test_postgresql(run: Armgs, postgresql: postgres.Server, postgresql_url: str, tmp_path: Path) -> None:
    """The tables come back into an empty database; never over one that holds something."""
    made = run("init", run.path, "--domain", "digital.example", "--store", postgresql_url)
    assert made.code == 0, made.err
    file = run.path / "armgs.toml"
    file.write_text(file.read_text() + SECURITY)
    run("user", "add", IVANOV, "--password-stdin", stdin=PASSWORD + "\n")
    (tmp_path / "one.eml").write_bytes(MAIL)
    (tmp_path / "big.bin").write_bytes(bytes(range(256)) * 1000)
    assert run("import", "mail", IVANOV, tmp_path / "one.eml").code == 0
    assert run("import", "files", IVANOV, tmp_path / "big.bin").code == 0
    before, old_validity = contents(run, run.path, tmp_path), validity(run)
    out = tmp_path / "backup.tar"
    assert run("backup", run.path, out).code == 0
    assert load(file).store.url == postgresql_url

    refused = run("restore", out, tmp_path / "restored")
    assert refused.code == 6
    assert "is not empty" in refused.err
    postgresql.drop_database(postgresql_url)
    postgresql.recreate_database(postgresql_url)
    done = run("restore", out, tmp_path / "restored")
    assert done.code == 0, done.err
    assert contents(run, tmp_path / "restored", tmp_path) == before
    run.path = tmp_path / "restored"
    assert validity(run) > old_validity


def test_large_bodies_in_s3_stay_there(armgs: Armgs, tmp_path: Path) -> None:
    """The bucket is not in the backup; a restore checks that it holds what the database names."""
    with seaweedfs.running(tmp_path) as bucket:
        file = armgs.path / "armgs.toml"
        settings = file.read_text()
        file.write_text(f'{settings}\n[store]\nblobs = "{bucket}"\n')
        big = tmp_path / "big.bin"
        big.write_bytes(bytes(range(256)) * 1000)
        assert armgs("import", "files", IVANOV, big).code == 0
        assert not [path for path in (armgs.path / "data" / "blobs").rglob("*") if path.is_file()]
        backup = tmp_path / "s3.tar"
        assert armgs("backup", armgs.path, backup).code == 0
        done = armgs("restore", backup, tmp_path / "restored")
        assert done.code == 0, done.err
        assert contents(armgs, tmp_path / "restored", tmp_path)["files/big.bin"] == big.read_bytes()
        lost = rewritten(backup, {}, tmp_path / "lost.tar")
        _empty(bucket)
        refused = armgs("restore", lost, tmp_path / "again")
    assert refused.code == 5
    assert "neither the backup nor the bucket has the body" in refused.err
    assert not (tmp_path / "again").exists()


def _empty(bucket: str) -> None:
    engine = Objects(bucket)
    for place in engine.older(time.time() + 60):
        engine.remove(place)


def test_data_outside_of_the_folder_go_where_they_were(armgs: Armgs, backup: Path, tmp_path: Path) -> None:
    """As a package has it: the configuration in /etc, the data in /var/lib."""
    before, data = contents(armgs, armgs.path, tmp_path), tmp_path / "var" / "data"
    file = armgs.path / "armgs.toml"
    file.write_text(file.read_text().replace("[server]\n", f'[server]\ndata_dir = "{data}"\n', 1))
    data.parent.mkdir()
    (armgs.path / "data").rename(data)
    assert armgs("backup", armgs.path, tmp_path / "system.tar").code == 0

    refused = armgs("restore", tmp_path / "system.tar", tmp_path / "restored")
    assert refused.code == 4
    assert f"{data}, which is not empty" in refused.err
    assert not (tmp_path / "restored").exists()
    data.rename(tmp_path / "lost")
    data.mkdir()
    done = armgs("restore", tmp_path / "system.tar", tmp_path / "restored")
    assert done.code == 0, done.err
    assert contents(armgs, tmp_path / "restored", tmp_path) == before
    assert sorted(path.name for path in (tmp_path / "restored").iterdir()) == ["armgs.toml", "tls"]


def test_data_named_in_full_lie_in_the_folder_that_is_made(
    armgs: Armgs, backup: Path, tmp_path: Path
) -> None:
    before, file = contents(armgs, armgs.path, tmp_path), armgs.path / "armgs.toml"
    data = armgs.path / "data"
    file.write_text(file.read_text().replace("[server]\n", f'[server]\ndata_dir = "{data}"\n', 1))
    assert armgs("backup", armgs.path, tmp_path / "full.tar").code == 0
    done = armgs("restore", tmp_path / "full.tar", armgs.path, "--replace")
    assert done.code == 0, done.err
    assert contents(armgs, armgs.path, tmp_path) == before


def test_an_empty_folder_is_filled_where_it_is(armgs: Armgs, backup: Path, tmp_path: Path) -> None:
    """The package's user owns /etc/armgs, and nothing beside it; owner and mode of the folder stay."""
    before = contents(armgs, armgs.path, tmp_path)
    (tmp_path / "etc" / "armgs").mkdir(parents=True)
    (tmp_path / "etc" / "armgs").chmod(0o750)
    inode = (tmp_path / "etc" / "armgs").stat().st_ino
    broken = rewritten(backup, {"database/store.db": b"damaged"}, tmp_path / "broken.tar")
    assert armgs("restore", broken, tmp_path / "etc" / "armgs").code == 5
    assert list((tmp_path / "etc" / "armgs").iterdir()) == []
    done = armgs("restore", backup, tmp_path / "etc" / "armgs")
    assert done.code == 0, done.err
    assert contents(armgs, tmp_path / "etc" / "armgs", tmp_path) == before
    status = (tmp_path / "etc" / "armgs").stat()
    assert (status.st_ino, status.st_mode & 0o777) == (inode, 0o750)
    assert sorted(path.name for path in (tmp_path / "etc").iterdir()) == ["armgs"]
