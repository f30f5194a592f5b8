# SPDX-License-Identifier: Apache-2.0
"""What a process remembers of other processes' sessions: until it hears of a change, or for a while."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from armgs_server.config import Config
from armgs_server.storage import Store, clock, documents, sessions
from armgs_server.storage.bus import RemoteBus
from armgs_server.storage.sessions import SessionRow
from armgs_server.storage.tx import Tx, Work
from armgs_server.xmpp.whereabouts import Whereabouts
from armgs_server.xmpp.xeps.xep_0191_blocking import DOCUMENT

ROW = SessionRow(1, "ann@example", "desk", 11, "p1", 5, b"/>", b"")
SEEN = replace(ROW, presence=b"")
LIFE = 60 * clock.SECOND


class Line(RemoteBus):
    """A link to nobody, which can be said to have been down."""

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    def is_linked(self) -> bool:
        return True

    def _join(self, topic: str) -> None:
        return

    def _leave(self, topic: str) -> None:
        return

    def _send(self, topic: str, data: bytes) -> None:
        return

    def was_down(self) -> None:
        self._gap()


async def opened(tmp_path: Path, store_url: str, kept: float = 60.0) -> tuple[Store, Line, Whereabouts]:
    bus, config = Line(), Config(tmp_path)
    config = replace(config, xmpp=replace(config.xmpp, whereabouts_kept=kept, whereabouts=2))
    store = await Store.open(store_url, tmp_path / "store", bus=bus)
    await store.write(lambda tx: sessions.beat(tx, "p1", LIFE))
    known = Whereabouts(config, store, bus)
    known.start()
    return store, bus, known


async def test_a_change_is_seen_at_once(tmp_path: Path, store_url: str) -> None:
    store, _, known = await opened(tmp_path, store_url)
    assert list(await known.of("ann@example")) == []
    await store.write(lambda tx: sessions.claim(tx, ROW))
    assert list(await known.of("ann@example")) == [SEEN]
    await store.write(lambda tx: sessions.update(tx, replace(ROW, presence=None)))
    assert list(await known.of("ann@example")) == [replace(ROW, presence=None)]

    async def block(tx: Tx) -> None:
        await documents.put(tx, 1, DOCUMENT, b"eve@example")
        sessions.tell(tx, ["ann@example"])

    await store.write(block)
    assert [row.blocked for row in await known.of("ann@example")] == [b"eve@example"]
    await store.write(lambda tx: sessions.sweep(tx, LIFE, ["p1"]))
    assert list(await known.of("ann@example")) == []
    await store.close()


async def test_it_is_not_read_again_until_something_changes(tmp_path: Path, store_url: str) -> None:
    store, bus, known = await opened(tmp_path, store_url)
    await store.write(lambda tx: sessions.claim(tx, ROW))
    assert list(await known.of("ann@example")) == [SEEN]
    # behind everybody's back, as if the hint were lost
    await store.write(lambda tx: tx.execute("DELETE FROM session"))
    assert list(await known.of("ann@example")) == [SEEN]
    bus.was_down()
    assert list(await known.of("ann@example")) == []
    await store.close()


async def test_a_lost_hint_costs_no_more_than_the_setting_says(tmp_path: Path, store_url: str) -> None:
    store, _, known = await opened(tmp_path, store_url, kept=0.0)
    await store.write(lambda tx: sessions.claim(tx, ROW))
    assert list(await known.of("ann@example")) == [SEEN]
    await store.write(lambda tx: tx.execute("DELETE FROM session"))
    assert list(await known.of("ann@example")) == []
    await store.close()


async def test_what_changes_while_it_is_read_is_not_remembered(tmp_path: Path, store_url: str) -> None:
    store, _, known = await opened(tmp_path, store_url)
    read = store.read

    async def late(work: Work[Any]) -> Any:
        found = await read(work)
        await store.write(lambda tx: sessions.claim(tx, ROW))
        return found

    store.read = late  # type: ignore[method-assign]  # the real one, and a change behind it
    assert list(await known.of("ann@example")) == []
    store.read = read  # type: ignore[method-assign]
    assert list(await known.of("ann@example")) == [SEEN]
    await store.close()


async def test_only_so_many_people_are_remembered(tmp_path: Path, store_url: str) -> None:
    store, _, known = await opened(tmp_path, store_url)
    await store.write(lambda tx: sessions.claim(tx, ROW))
    for address in ("ann@example", "bob@example", "eve@example"):
        await known.of(address)
    await store.write(lambda tx: tx.execute("DELETE FROM session"))
    assert list(await known.of("ann@example")) == []  # the oldest had been let go, so it is read anew
    await store.close()
