# SPDX-License-Identifier: Apache-2.0
"""Rows of chat sessions: whose they are, who sees them, and what becomes of them when a process is silent."""

from __future__ import annotations

from dataclasses import replace

from armgs_server.storage import Store, clock, documents, sessions
from armgs_server.storage.sessions import SessionRow

ROW = SessionRow(1, "ann@example", "desk", 11, "p1", 5, b"/>", b"")
LIFE = 60 * clock.SECOND


async def of(store: Store, *addresses: str) -> list[SessionRow]:
    return await store.read(lambda tx: sessions.of(tx, addresses, "blocklist"))


async def test_a_session_is_seen_while_its_process_lives(store: Store) -> None:
    assert await store.write(lambda tx: sessions.claim(tx, ROW)) == ""
    assert await of(store, "ann@example") == []
    assert not await store.write(lambda tx: sessions.beat(tx, "p1", LIFE))
    assert await of(store, "ann@example", "bob@example") == [ROW]
    await store.write(lambda tx: documents.put(tx, 1, "blocklist", b"eve@example"))
    assert await of(store, "ann@example") == [replace(ROW, blocked=b"eve@example")]
    assert await store.write(lambda tx: sessions.beat(tx, "p1", LIFE))
    await store.write(lambda tx: sessions.update(tx, replace(ROW, presence=None, priority=0)))
    assert [(row.presence, row.priority) for row in await of(store, "ann@example")] == [(None, 0)]
    await store.write(lambda tx: sessions.remove(tx, ROW))
    assert await of(store, "ann@example") == []


async def test_the_last_claim_of_a_resource_holds(store: Store) -> None:
    for process in ("p1", "p2"):
        await store.write(lambda tx, process=process: sessions.beat(tx, process, LIFE))  # type: ignore[misc]
    newer = replace(ROW, number=12, process="p2")
    assert await store.write(lambda tx: sessions.claim(tx, ROW)) == ""
    assert await store.write(lambda tx: sessions.claim(tx, newer)) == "p1"
    # the older one's end and late words change nothing
    await store.write(lambda tx: sessions.update(tx, replace(ROW, presence=None)))
    await store.write(lambda tx: sessions.remove(tx, ROW))
    assert await of(store, "ann@example") == [newer]


async def test_who_sweeps_a_silent_process_gets_its_sessions_once(store: Store) -> None:
    await store.write(lambda tx: sessions.beat(tx, "p1", -clock.SECOND))
    await store.write(lambda tx: sessions.beat(tx, "p2", LIFE))
    await store.write(lambda tx: sessions.claim(tx, ROW))
    assert await of(store, "ann@example") == []
    assert await store.write(sessions.sweep) == [ROW]
    assert await store.write(sessions.sweep) == []
    # it was only asleep: it comes back, but for the resource that another has taken meanwhile
    other = replace(ROW, resource="phone", number=12)
    await store.write(lambda tx: sessions.claim(tx, replace(ROW, number=13, process="p2")))
    assert not await store.write(lambda tx: sessions.beat(tx, "p1", LIFE))
    assert not await store.write(lambda tx: sessions.restore(tx, ROW))
    assert await store.write(lambda tx: sessions.restore(tx, other))
    assert [(row.resource, row.process) for row in await of(store, "ann@example")] == [
        ("desk", "p2"),
        ("phone", "p1"),
    ]
