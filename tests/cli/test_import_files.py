# SPDX-License-Identifier: Apache-2.0
"""`armgs import files`: a tree into a person's or a department's folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from armgs_server.cli.import_files import check_name
from armgs_server.cli.workplace import Workplace
from armgs_server.errors import Invalid
from armgs_server.storage import collections, items
from armgs_server.storage.items import Item
from tests.cli.conftest import IVANOV, Armgs


def stored(armgs: Armgs, address: str, *path: str) -> tuple[Item, bytes]:
    async def work(workplace: Workplace) -> tuple[Item, bytes]:
        owner = workplace.directory.domains.get(address) or (await workplace.principal(address)).id
        folder = await workplace.store.read(
            lambda tx: collections.by_path(tx, owner, "files", ("", *path[:-1]))
        )
        assert folder is not None
        item = await workplace.store.read(lambda tx: items.by_name(tx, owner, folder.id, path[-1]))
        assert item is not None
        return item, await workplace.store.blobs.read(item.blob)

    return armgs.work(work)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    (top / "Отчёты" / "2026").mkdir(parents=True)
    (top / "Отчёты" / "2026" / "план.txt").write_text("план")
    (top / "big.bin").write_bytes(bytes(range(256)) * 2000)
    (top / "empty").write_bytes(b"")
    os.utime(top / "empty", (1795077000, 1795077000))
    (top / "link").symlink_to("/etc/passwd")
    return top


def test_a_tree(armgs: Armgs, tree: Path) -> None:
    done = armgs("import", "files", IVANOV, tree, "--json")
    assert (done.code, done.json["accepted"]) == (0, 3)
    item, data = stored(armgs, IVANOV, "Отчёты", "2026", "план.txt")
    assert (data.decode(), item.content_type) == ("план", "text/plain")
    assert stored(armgs, IVANOV, "big.bin")[1] == bytes(range(256)) * 2000
    item, data = stored(armgs, IVANOV, "empty")
    assert (data, item.modified) == (b"", 1795077000_000000)
    with pytest.raises(AssertionError):
        stored(armgs, IVANOV, "link")


def test_again(armgs: Armgs, tree: Path) -> None:
    armgs("import", "files", IVANOV, tree)
    (tree / "empty").write_text("no longer")
    done = armgs("import", "files", IVANOV, tree, "--json")
    assert (done.json["accepted"], done.json["unchanged"]) == (1, 2)
    assert stored(armgs, IVANOV, "empty")[1] == b"no longer"


def test_one_file_into_the_shared_folder(armgs: Armgs, tree: Path) -> None:
    assert armgs("import", "files", "finance.example", tree / "big.bin", "--folder", "In/2026").code == 0
    assert stored(armgs, "finance.example", "In", "2026", "big.bin")[0].size == 512000


def test_a_file_where_a_folder_is(armgs: Armgs, tree: Path, tmp_path: Path) -> None:
    armgs("import", "files", IVANOV, tree)
    other = tmp_path / "other"
    other.mkdir()
    (other / "Отчёты").write_text("a file of that name")
    (other / "fine").write_text("fine")
    done = armgs("import", "files", IVANOV, other, "--json")
    assert done.code == 8
    assert done.json["accepted"] == 1
    assert [one["reason"] for one in done.json["refused"]] == ["a folder has this name"]


def test_nobody_and_nothing(armgs: Armgs, tree: Path) -> None:
    assert armgs("import", "files", "nobody@digital.example", tree).code == 3
    assert armgs("import", "files", "other.example", tree).code == 3
    assert armgs("import", "files", IVANOV, tree / "none").code == 3


@pytest.mark.parametrize("name", ["\udcff", "a\nb", "\x7f", "я" * 128])
def test_names_that_clients_cannot_show(name: str) -> None:
    with pytest.raises(Invalid):
        check_name(name)
