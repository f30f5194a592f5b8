# SPDX-License-Identifier: Apache-2.0
"""`armgs backup`: one file, consistent while the daemon writes, with everything that a restore needs."""

from __future__ import annotations

import asyncio
import json
import stat
import tarfile
from pathlib import Path

import apsw
import pytest

from armgs_server.cli.app import main
from armgs_server.storage import collections
from armgs_server.storage import mail as messages
from armgs_server.storage.tx import Tx
from tests.cli.conftest import IVANOV, Armgs
from tests.world import World


def test_what_is_in_it(armgs: Armgs, tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(range(256)) * 1000)
    armgs("import", "files", IVANOV, big)
    out = tmp_path / "backup.tar"
    done = armgs("backup", armgs.path, out, "--json")
    assert done.code == 0
    assert done.json["bytes"] == out.stat().st_size
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with tarfile.open(out) as tar:
        names = tar.getnames()
        manifest_file = tar.extractfile("manifest.json")
        assert manifest_file is not None
        manifest = json.load(manifest_file)
    assert names[:5] == ["armgs.toml", "tls/server.crt", "tls/server.key", "tls/ca.crt", "tls/ca.key"]
    assert names[5] == "database/store.db"
    assert [name.partition("/")[0] for name in names[6:]] == ["blobs", "manifest.json"]
    assert list(manifest["members"]) == names[:-1]
    assert manifest["domains"] == ["digital.example", "finance.example"]
    # Nothing is left behind in the store, nor beside the file.
    assert not list((armgs.path / "data").glob("backup-*"))
    assert not list(tmp_path.glob("*.part"))


def test_an_existing_file_is_left_alone(armgs: Armgs, tmp_path: Path) -> None:
    out = tmp_path / "backup.tar"
    out.write_text("precious")
    assert armgs("backup", armgs.path, out).code == 4
    assert out.read_text() == "precious"


def test_nowhere_to_write(armgs: Armgs, tmp_path: Path) -> None:
    refused = armgs("backup", armgs.path, tmp_path / "none" / "backup.tar")
    assert refused.code == 7
    assert "No such file or directory" in refused.err
    assert not list((armgs.path / "data").glob("backup-*"))


async def test_online_and_consistent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the daemon's store writes, every backup holds whole transactions: counts agree with rows."""
    async with World(tmp_path) as world:
        person = await world.directory.by_address(IVANOV)
        assert person is not None
        body = b"Subject: x\r\n\r\n" + b"y" * 3000
        ref = await world.store.blobs.put(body)
        index = await messages.read_index(world.store.blobs, ref)
        stop = False

        async def deliver() -> None:
            async def work(tx: Tx) -> None:
                inbox = await collections.by_role(tx, person.id, "mail", "inbox")
                assert inbox is not None
                for _ in range(5):
                    await messages.append(tx, inbox, ref, index)

            while not stop:
                await world.store.write(work)

        writing = asyncio.create_task(deliver())
        outs = [tmp_path / f"{number}.tar" for number in range(3)]
        for out in outs:
            assert await asyncio.to_thread(main, ["backup", str(world.path), str(out)]) == 0
        stop = True
        await writing
    counts = []
    for out in outs:
        with tarfile.open(out) as tar:
            source = tar.extractfile("database/store.db")
            assert source is not None
            copy = tmp_path / "copy.db"
            copy.write_bytes(source.read())
        connection = apsw.Connection(str(copy))
        ((items,),) = connection.execute(
            "SELECT items FROM collection WHERE role = 'inbox' AND owner = ?", (person.id,)
        )
        ((rows,),) = connection.execute("SELECT COUNT(*) FROM item WHERE owner = ?", (person.id,))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        assert items == rows
        assert rows % 5 == 0
        counts.append(rows)
    assert counts == sorted(counts)
    assert counts[-1] > 0
