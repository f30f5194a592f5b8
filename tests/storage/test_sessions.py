# SPDX-License-Identifier: Apache-2.0
"""Rows of chat sessions: whose they are, who sees them, and what becomes of them when a process is silent."""

from __future__ import annotations

from dataclasses import replace

from armgs_server.storage import Store, clock, documents, leases, sessions
from armgs_server.storage.sessions import SessionPlace, SessionRow

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
    await store.write(lambda tx: sessions.remove(tx, [ROW]))
    assert await of(store, "ann@example") == []


async def test_the_last_claim_of_a_resource_holds(store: Store) -> None:
    for process in ("p1", "p2"):
        await store.write(lambda tx, process=process: sessions.beat(tx, process, LIFE))  # type: ignore[misc]
    newer = replace(ROW, number=12, process="p2")
    assert await store.write(lambda tx: sessions.claim(tx, ROW)) == ""
    assert await store.write(lambda tx: sessions.claim(tx, newer)) == "p1"
    # the older one's end and late words change nothing
    await store.write(lambda tx: sessions.update(tx, replace(ROW, presence=None)))
    await store.write(lambda tx: sessions.remove(tx, [ROW]))
    assert await of(store, "ann@example") == [newer]


async def test_who_is_known_to_be_dead_is_swept_with_its_leases(store: Store) -> None:
    for process in ("p1", "p2"):
        await store.write(lambda tx, process=process: sessions.beat(tx, process, LIFE))  # type: ignore[misc]
    await store.write(lambda tx: sessions.claim(tx, ROW))
    await store.write(lambda tx: leases.acquire(tx, "room:tea", "p1"))
    assert await store.write(lambda tx: sessions.sweep(tx, LIFE, ["p0"])) == []
    (swept,) = await store.write(lambda tx: sessions.sweep(tx, LIFE, ["p0", "p1"]))
    assert replace(swept, since=0) == ROW
    assert await store.write(lambda tx: leases.acquire(tx, "room:tea", "p2")) is not None


async def test_who_sweeps_a_silent_process_gets_its_sessions_once(store: Store) -> None:
    await store.write(lambda tx: sessions.beat(tx, "p1", -clock.SECOND))
    await store.write(lambda tx: sessions.beat(tx, "p2", LIFE))
    await store.write(lambda tx: sessions.claim(tx, ROW))
    assert await of(store, "ann@example") == []
    (swept,) = await store.write(lambda tx: sessions.sweep(tx, LIFE))
    assert replace(swept, since=0) == ROW
    assert swept.since < clock.now() - LIFE  # the last beat but one, at least
    assert await store.write(lambda tx: sessions.sweep(tx, LIFE)) == []
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


async def test_since_when_nothing_is_acknowledged(store: Store) -> None:
    await store.write(lambda tx: sessions.beat(tx, "p1", LIFE))
    await store.write(lambda tx: sessions.claim(tx, ROW))
    before = clock.now()
    held = await store.read(lambda tx: sessions.held(tx, 1, "desk", LIFE))
    assert held is not None
    assert before - LIFE < held.since < before
    await store.write(lambda tx: sessions.note_unacknowledged(tx, "p1", [(1, 11, 77), (1, 12, 88)]))
    held = await store.read(lambda tx: sessions.held(tx, 1, "desk", LIFE))
    assert held == replace(ROW, since=77)
    # a newer session of the resource begins anew
    await store.write(lambda tx: sessions.claim(tx, replace(ROW, number=12)))
    held = await store.read(lambda tx: sessions.held(tx, 1, "desk", LIFE))
    assert held is not None and held.since != 77
    assert await store.read(lambda tx: sessions.held(tx, 1, "nothing", LIFE)) is None


async def test_a_session_is_found_by_its_number_and_adopted_by_one(store: Store) -> None:
    await store.write(lambda tx: sessions.beat(tx, "p1", LIFE))
    await store.write(lambda tx: sessions.beat(tx, "p2", -clock.SECOND))
    await store.write(lambda tx: sessions.claim(tx, ROW))
    place = await store.read(lambda tx: sessions.place(tx, 1, 11))
    assert place == SessionPlace("p1", "ann@example", "desk", True)
    assert await store.write(lambda tx: sessions.adopt(tx, replace(ROW, process="p2")))
    assert await store.read(lambda tx: sessions.place(tx, 1, 11)) == replace(
        place, process="p2", is_alive=False
    )
    assert await store.read(lambda tx: sessions.place(tx, 2, 11)) is None
    assert await store.read(lambda tx: sessions.others(tx, "p3")) == ["p1"]
    # not when the resource is another session's by now; where it is nobody's, it is written anew
    await store.write(lambda tx: sessions.claim(tx, replace(ROW, number=12)))
    assert not await store.write(lambda tx: sessions.adopt(tx, ROW))
    await store.write(lambda tx: sessions.remove(tx, [replace(ROW, number=12)]))
    assert await store.write(lambda tx: sessions.adopt(tx, ROW))
    assert await of(store, "ann@example") == [ROW]
