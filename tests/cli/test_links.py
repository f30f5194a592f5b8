# SPDX-License-Identifier: Apache-2.0
"""`armgs link`: what an administrator does with links to files."""

from __future__ import annotations

from armgs_server.cli.workplace import Workplace
from armgs_server.storage import collections, items
from armgs_server.storage.tx import Tx
from tests.cli.conftest import IVANOV, Armgs


async def put_file(workplace: Workplace) -> None:
    owner = (await workplace.principal(IVANOV)).id

    async def work(tx: Tx) -> None:
        root = await collections.by_role(tx, owner, "files", "root")
        assert root is not None
        folder = await collections.create(tx, owner, "files", "2026", parent=root.id)
        await items.add(tx, folder, workplace.store.blobs.small(b"x"), name="a.txt")
        await items.add(tx, root, workplace.store.blobs.small(b"x"), name="b.txt")

    await workplace.store.write(work)


def test_life_of_a_link(armgs: Armgs) -> None:
    armgs.work(put_file)
    made = armgs("link", "make", IVANOV, "2026/a.txt", "--days", 3, "--json").json
    assert made["url"].startswith("https://")
    secret = armgs("link", "make", IVANOV, "/b.txt", "--password-stdin", "--json", stdin="open\n").json
    assert armgs("link", "make", IVANOV, "c.txt").code != 0
    assert armgs("link", "make", IVANOV, "2026").code != 0
    found = armgs("link", "list", "--json").json
    assert [(each["id"], each["file"], each["password"], each["downloads"]) for each in found] == [
        (made["id"], "a.txt", False, 0),
        (secret["id"], "b.txt", True, 0),
    ]
    assert armgs("link", "list", IVANOV, "--json").json == found
    assert armgs("link", "revoke", IVANOV, made["id"]).code == 0
    assert armgs("link", "revoke", IVANOV, made["id"]).code != 0
    assert [each["id"] for each in armgs("link", "list", "--json").json] == [secret["id"]]


def test_links_are_switched_off(armgs: Armgs) -> None:
    armgs.work(put_file)
    file = armgs.path / "armgs.toml"
    file.write_text(file.read_text() + "\n[http]\nlink_days = 0\n")
    assert armgs("link", "make", IVANOV, "b.txt").code != 0


def test_a_password_is_demanded(armgs: Armgs) -> None:
    armgs.work(put_file)
    file = armgs.path / "armgs.toml"
    file.write_text(file.read_text() + "\n[http]\nlink_password = true\n")
    assert armgs("link", "make", IVANOV, "b.txt").code != 0
    assert armgs("link", "make", IVANOV, "b.txt", "--password-stdin", stdin="open\n").code == 0
