# SPDX-License-Identifier: Apache-2.0
"""Data folders of earlier schema numbers, kept as they were written, are served by today's program.

`data/release-N.tar.xz` is a data folder as a daemon with schema N left it: people with a password, two
messages (one beside the database), an event, a card, a file. On PostgreSQL the same rows are in tables as
schema N had them, made from the statements that the folder's own database keeps.
"""

from __future__ import annotations

import asyncio
import base64
import imaplib
import re
import sqlite3
import tarfile
import urllib.request
from pathlib import Path

import asyncpg
import pytest

from armgs_server.storage import Store, migrations
from armgs_server.storage.postgresql import translated
from tests.world import HOST, IVANOV, PASSWORD, World

DATA = Path(__file__).parent / "data"
RELEASES = sorted(int(path.name.split("-")[1].split(".")[0]) for path in DATA.glob("release-*.tar.xz"))
INDEXES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
    "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()",
}


def unpack(release: int, folder: Path) -> Path:
    """The data folder, in a new place."""
    with tarfile.open(DATA / f"release-{release}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "data"


async def into_postgresql(database: Path, url: str) -> None:
    """The tables as they were, and their rows."""
    source = sqlite3.connect(database)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        made = source.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'index'")
        for (statement,) in made.fetchall():
            await connection.execute(translated(statement))
        tables = source.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            rows = source.execute(f"SELECT * FROM {table}").fetchall()
            if rows:
                places = ", ".join(f"${number + 1}" for number in range(len(rows[0])))
                await connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
    finally:
        await connection.close()
        source.close()


async def upgraded_folder(release: int, folder: Path, store_url: str) -> Path:
    """A data folder, and its database, of that schema number."""
    data = unpack(release, folder)
    if store_url != "sqlite":
        await into_postgresql(data / "store.db", store_url)
        (data / "store.db").unlink()
    return data


def test_every_schema_number_before_this_one_has_its_folder() -> None:
    assert list(range(1, migrations.VERSION)) == RELEASES


@pytest.mark.parametrize("release", RELEASES)
async def test_the_schema_is_today_s_afterwards(release: int, store_url: str, tmp_path: Path) -> None:
    old = await Store.open(store_url, await upgraded_folder(release, tmp_path / "old", store_url))
    query = INDEXES["sqlite" if store_url == "sqlite" else "postgresql"]
    found = {str(row[0]) for row in await old.read(lambda tx: tx.rows(query))}
    expected = {
        name for each in migrations.schema() for name in re.findall(r"INDEX IF NOT EXISTS (\w+)", each)
    }
    assert expected <= found
    version = await old.read(lambda tx: tx.value("SELECT value FROM meta WHERE name = 'schema'"))
    assert version == str(migrations.VERSION)
    for table in migrations.tables():
        columns = ", ".join(table.columns)
        await old.read(
            lambda tx, name=table.name, columns=columns: tx.rows(f"SELECT {columns} FROM {name} LIMIT 1")
        )
    await old.close()
    again = await Store.open(store_url, tmp_path / "old" / "data")  # and needs no upgrade any more
    await again.close()


@pytest.mark.parametrize("release", RELEASES)
async def test_what_people_had_is_there_and_more_can_be_added(
    release: int, store_url: str, tmp_path: Path
) -> None:
    world = World(tmp_path, store_url=store_url)
    world.path.mkdir()
    world.certify()
    world.configure()
    await upgraded_folder(release, world.path, store_url)
    await world.start()
    try:
        await asyncio.to_thread(_look, world)
    finally:
        await world.stop()


def _look(world: World) -> None:
    client = imaplib.IMAP4(HOST, world.ports["imap"])
    client.login(IVANOV, PASSWORD)
    assert client.select("INBOX") == ("OK", [b"2"])
    _, found = client.fetch("1:2", "(FLAGS BODY.PEEK[TEXT])")
    parts = [part for part in found if isinstance(part, tuple)]
    assert b"\\Flagged" in parts[0][0]
    assert parts[0][1].decode() == "Первое письмо.\r\n"
    assert parts[1][1] == b"0123456789 abcdef\r\n" * 5000
    assert client.append("INBOX", "", "", b"Subject: Third\r\n\r\nafter the upgrade\r\n")[0] == "OK"
    assert client.select("INBOX") == ("OK", [b"3"])
    assert client.select("Archive/2026")[0] == "OK"
    client.logout()
    secret = base64.b64encode(f"{IVANOV}:{PASSWORD}".encode()).decode()
    for path, held in (
        (f"/dav/calendars/{IVANOV}/default/weekly.ics", "SUMMARY:Планёрка"),
        (f"/dav/addressbooks/{IVANOV}/contacts/card.vcf", "FN:Пётр Чижов"),
        (f"/dav/files/{IVANOV}/note.txt", "Заметка"),
    ):
        request = urllib.request.Request(world.url(path), headers={"Authorization": f"Basic {secret}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert held in answer.read().decode()


@pytest.mark.parametrize("release", RELEASES)
async def test_an_upgrade_that_fails_has_changed_nothing(
    release: int, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = await upgraded_folder(release, tmp_path / "old", store_url)
    steps = ("CREATE TABLE half_made (a INTEGER NOT NULL)", "UPDATE no_such_table SET a = 1")
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS[:-1], steps))
        with pytest.raises(Exception, match="no_such_table"):
            await Store.open(store_url, data)
    store = await Store.open(store_url, data)
    with pytest.raises(Exception, match="half_made"):
        await store.read(lambda tx: tx.rows("SELECT * FROM half_made"))
    await store.close()
