# SPDX-License-Identifier: Apache-2.0
"""Sessions on their way: taken once, with their rows, by their heir or by whoever finds them without one."""

from __future__ import annotations

from armgs_server.storage import Store, clock, parked, sessions
from armgs_server.storage.parked import ParkedSession
from armgs_server.storage.sessions import SessionRow

LIFE = 60 * clock.SECOND


def session(number: int, heir: str = "", expires: int = 0) -> ParkedSession:
    return ParkedSession(1, number, heir, expires, '{"n": "ё"}', b"<a/>\0<b/>")


async def test_taken_once(store: Store) -> None:
    await store.write(lambda tx: parked.park(tx, [session(11), session(12)]))
    assert await store.write(lambda tx: parked.take(tx, 1, 11)) == session(11)
    assert await store.write(lambda tx: parked.take(tx, 1, 11)) is None
    assert await store.write(lambda tx: parked.take(tx, 2, 12)) is None
    await store.write(lambda tx: parked.park(tx, []))


async def test_the_row_goes_along(store: Store) -> None:
    for process in ("p1", "p2"):
        await store.write(lambda tx, process=process: sessions.beat(tx, process, LIFE))  # type: ignore[misc]
    for number, resource in ((11, "desk"), (12, "phone")):
        row = SessionRow(1, "ann@example", resource, number, "p1", 5, b"/>", b"")
        await store.write(lambda tx, row=row: sessions.claim(tx, row))  # type: ignore[misc]
    await store.write(lambda tx: parked.park(tx, [session(11, "p2"), session(12)]))
    rows = await store.read(lambda tx: sessions.of(tx, ["ann@example"], "blocklist"))
    assert [(row.number, row.process) for row in rows] == [(11, "p2")]


async def test_who_takes_those_nobody_else_will(store: Store) -> None:
    await store.write(lambda tx: sessions.beat(tx, "p1", LIFE))
    await store.write(lambda tx: sessions.beat(tx, "p2", LIFE))
    await store.write(lambda tx: sessions.beat(tx, "dead", -clock.SECOND))
    heirs = {11: "p1", 12: "p2", 13: "dead", 14: "", 15: "unknown"}
    await store.write(
        lambda tx: parked.park(tx, [session(number, heir, number) for number, heir in heirs.items()])
    )

    async def orphans(process: str, limit: int = 10) -> list[int]:
        return [number for _, number in await store.read(lambda tx: parked.orphans(tx, process, limit))]

    assert await orphans("p1") == [11, 13, 14, 15]
    assert await orphans("p3") == [13, 14, 15]
    assert await orphans("p3", 2) == [13, 14]
    assert await orphans("") == [11, 12, 13, 14, 15]


async def test_what_came_too_late_is_known_for_a_while(store: Store) -> None:
    await store.write(lambda tx: parked.remember(tx, 1, 11, 7, clock.now() + LIFE))
    await store.write(lambda tx: parked.remember(tx, 1, 12, 8, clock.now() - 1))
    assert await store.read(lambda tx: parked.recall(tx, 1, 11)) == 7
    assert await store.read(lambda tx: parked.recall(tx, 2, 11)) is None
    await store.write(lambda tx: parked.remember(tx, 1, 13, 9, clock.now() + LIFE))
    assert await store.read(lambda tx: parked.recall(tx, 1, 12)) is None
