# SPDX-License-Identifier: Apache-2.0
"""Opening, schema versions, and hints between processes, on both engines."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from armgs_server.errors import Unusable
from armgs_server.storage import Store, clock, migrations
from armgs_server.storage.tx import Tx


async def test_opening_again_finds_what_was_there(store_url: str, tmp_path: Path) -> None:
    store = await Store.open(store_url, tmp_path)
    await store.write(lambda tx: tx.execute("INSERT INTO meta (name, value) VALUES ('a', 'b')"))
    await store.close()
    again = await Store.open(store_url, tmp_path)
    assert await again.read(lambda tx: tx.value("SELECT value FROM meta WHERE name = 'a'")) == "b"
    await again.close()


async def test_a_schema_from_the_future_is_refused(store_url: str, tmp_path: Path) -> None:
    store = await Store.open(store_url, tmp_path)
    future = str(migrations.VERSION + 1)
    await store.write(lambda tx: tx.execute("UPDATE meta SET value = ? WHERE name = 'schema'", future))
    await store.close()
    with pytest.raises(Unusable, match="newer version"):
        await Store.open(store_url, tmp_path)


async def test_no_such_engine(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="neither"):
        await Store.open("mysql://x", tmp_path)


async def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"something else altogether" * 100)
    with pytest.raises(Unusable, match=r"store\.db cannot be opened"):
        await Store.open("sqlite", tmp_path)


async def test_a_daemon_hears_what_a_command_beside_it_changed(store_url: str, tmp_path: Path) -> None:
    daemon = await Store.open(store_url, tmp_path)
    daemon.watch()
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    daemon.bus.subscribe("directory", heard.put_nowait)
    command = await Store.open(store_url, tmp_path, visiting=True)

    async def work(tx: Tx) -> None:
        tx.publish("directory", b"4711")

    await command.write(work)
    await command.close()
    assert await asyncio.wait_for(heard.get(), 10) == b"4711"
    await daemon.close()


def test_ids_go_by_time_and_never_repeat() -> None:
    ids = [clock.unique_id() for _ in range(5000)]
    assert ids == sorted(set(ids))
    assert abs((ids[-1] >> 10) - clock.now()) < clock.SECOND
    assert ids[-1] < 1 << 63
