# SPDX-License-Identifier: Apache-2.0
"""storage/queue.py on both engines: leases, order, and blobs counted row by row."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from armgs_server.storage import Store, accounts, queue
from armgs_server.storage.queue import Destination, Entry

HOUR = 3_600_000_000
LEASE = HOUR


async def enqueue(store: Store, *recipients: str, now: int = 1000, owner: int = 7) -> None:
    ref = store.blobs.small(b"Subject: x\r\n\r\nbody\r\n")
    destinations = [
        Destination(recipient, recipient.partition("@")[2], {"utf8": True}) for recipient in recipients
    ]
    await store.write(
        lambda tx: queue.enqueue(
            tx, ref, destinations, owner=owner, sender="a@digital.example", now=now, lifetime=5 * HOUR
        )
    )


async def claim(store: Store, now: int, limit: int = 10) -> list[Entry]:
    return await store.write(lambda tx: queue.claim(tx, now, LEASE, limit))


async def references(store: Store) -> int:
    return int(await store.read(lambda tx: tx.value("SELECT SUM(refs) FROM blob")))


async def test_a_row_for_each_recipient(store: Store) -> None:
    heard: list[bytes] = []
    store.bus.subscribe(queue.TOPIC, heard.append)
    await enqueue(store, "b@x.example", "c@y.example")
    assert heard == [b""]
    first, second = await claim(store, 1000)
    assert (first.recipient, first.domain) == ("b@x.example", "x.example")
    assert (second.recipient, second.domain) == ("c@y.example", "y.example")
    assert first.sender == "a@digital.example"
    assert first.attempts == 0
    assert first.expires == 1000 + 5 * HOUR
    assert first.data == {"utf8": True}
    assert await store.blobs.read(first.blob) == b"Subject: x\r\n\r\nbody\r\n"
    assert await references(store) == 2


async def test_what_is_claimed_is_hidden_for_the_lease(store: Store) -> None:
    await enqueue(store, "b@x.example")
    assert await claim(store, 999) == []
    assert len(await claim(store, 1000)) == 1
    assert await claim(store, 1000 + LEASE - 1) == []
    assert len(await claim(store, 1000 + LEASE)) == 1  # the worker died


async def test_two_workers_never_get_the_same_row(store: Store) -> None:
    await enqueue(store, *(f"r{number}@x.example" for number in range(20)))
    claims = await asyncio.gather(*(claim(store, 1000, limit=7) for _ in range(4)))
    taken = [entry.id for claimed in claims for entry in claimed]
    assert len(taken) == len(set(taken))
    taken += [entry.id for entry in await claim(store, 1000, limit=20)]
    assert len(set(taken)) == 20


async def test_the_longest_waiting_comes_first(store: Store) -> None:
    await enqueue(store, "late@x.example", now=2000)
    await enqueue(store, "early@x.example", now=1000)
    assert await store.read(queue.next_due) == 1000
    [entry] = await claim(store, 5000, limit=1)
    assert entry.recipient == "early@x.example"


async def test_postponed_rows_come_back_with_their_error(store: Store) -> None:
    await enqueue(store, "b@x.example")
    [entry] = await claim(store, 1000)
    await store.write(lambda tx: queue.postpone(tx, entry, 9000, "450 later"))
    assert await store.read(queue.next_due) == 9000
    assert await claim(store, 8999) == []
    [again] = await claim(store, 9000)
    assert (again.last_error, again.attempts) == ("450 later", 1)


async def test_rows_given_back_have_not_been_tried(store: Store) -> None:
    await enqueue(store, "b@x.example")
    entries = await claim(store, 1000)
    await store.write(lambda tx: queue.give_back(tx, entries, 2000))
    [again] = await claim(store, 2000)
    assert (again.last_error, again.attempts) == ("", 0)


async def test_data_can_be_replaced(store: Store) -> None:
    await enqueue(store, "b@x.example")
    [entry] = await claim(store, 1000)
    await store.write(lambda tx: queue.annotate(tx, entry, {**entry.data, "предупреждён": True}))
    [again] = await claim(store, 1000 + LEASE)
    assert again.data == {"utf8": True, "предупреждён": True}


async def test_finished_rows_let_go_of_the_blob(store: Store) -> None:
    await enqueue(store, "b@x.example", "c@x.example")
    entries = await claim(store, 1000)
    await store.write(lambda tx: queue.finish(tx, entries[:1]))
    assert await references(store) == 1
    await store.write(lambda tx: queue.finish(tx, entries))  # the first is gone already
    assert await references(store) == 0
    assert await store.read(queue.next_due) is None


async def test_a_deleted_owner_sends_no_more(store: Store) -> None:
    await store.write(lambda tx: accounts.create(tx, 7))
    await enqueue(store, "b@x.example", owner=7)
    await enqueue(store, "c@x.example", owner=8)
    await store.write(lambda tx: accounts.delete(tx, 7))
    assert [entry.recipient for entry in await claim(store, 1000)] == ["c@x.example"]
    assert await references(store) == 1


async def test_what_is_held_waits_for_somebody_to_release_it(store: Store) -> None:
    await enqueue(store, "b@x.example", "c@x.example")
    held, _ = await store.read(queue.scan)
    await store.write(lambda tx: queue.hold(tx, [held]))
    [other] = await claim(store, 1000)
    assert other.recipient == "c@x.example"
    assert await claim(store, queue.HELD - 1, 10) == [replace(other, next_attempt=queue.HELD - 1 + LEASE)]
    heard: list[bytes] = []
    store.bus.subscribe(queue.TOPIC, heard.append)
    await store.write(lambda tx: queue.retry(tx, [held], 5000, 9 * HOUR))
    assert heard == [b""]
    [released] = await claim(store, 5000)
    assert (released.recipient, released.expires) == ("b@x.example", 5000 + 9 * HOUR)


async def test_what_is_held_while_it_is_sent_stays_held(store: Store) -> None:
    await enqueue(store, "b@x.example")
    [entry] = await claim(store, 1000)
    await store.write(lambda tx: queue.hold(tx, [entry]))
    await store.write(lambda tx: queue.give_back(tx, [entry], 2000))
    await store.write(lambda tx: queue.postpone(tx, entry, 2000, "busy"))
    found = await store.read(lambda tx: queue.get(tx, entry.id))
    assert found is not None and found.is_held
    assert (found.attempts, found.last_error) == (1, "busy")


async def test_what_comes_later_and_what_is_urgent(store: Store) -> None:
    ref = store.blobs.small(b"x")
    for name, due in (("later", 1000 + HOUR // 2), ("urgent", -5000), ("held", queue.HELD)):
        target = Destination(f"{name}@x.example", "x.example")
        await store.write(
            lambda tx, target=target, due=due: queue.enqueue(
                tx, ref, [target], owner=7, sender="", now=1000, lifetime=HOUR, due=due
            )
        )
    await enqueue(store, "plain@x.example")
    assert [entry.recipient for entry in await claim(store, 1000, 1)] == ["urgent@x.example"]
    assert [entry.recipient for entry in await claim(store, 1000)] == ["plain@x.example"]
    [later] = await claim(store, 1000 + HOUR // 2)
    assert later.expires == 1000 + HOUR // 2 + HOUR  # its lifetime begins when it may go


async def test_what_waits_is_found_by_who_and_where(store: Store) -> None:
    await enqueue(store, "b@x.example", "c@y.example")
    found = await store.read(lambda tx: queue.scan(tx, domain="y.example", sender="a@digital.example"))
    assert [entry.recipient for entry in found] == ["c@y.example"]
    assert await store.read(lambda tx: queue.scan(tx, recipient="nobody@y.example")) == []
    assert len(await store.read(lambda tx: queue.scan(tx, limit=1))) == 1
    assert await store.read(lambda tx: queue.get(tx, 1)) is None


async def test_what_no_moderator_has_seen_comes_to_its_end(store: Store) -> None:
    ref = store.blobs.small(b"x")
    for name, data in (("list", {"list": 5}), ("other", {})):
        target = Destination(f"{name}@x.example", "x.example", data)
        await store.write(
            lambda tx, target=target: queue.enqueue(
                tx, ref, [target], owner=7, sender="", now=1000, lifetime=HOUR, due=queue.HELD
            )
        )
    assert await store.write(lambda tx: queue.release_expired(tx, 1000)) == 0
    assert await store.write(lambda tx: queue.release_expired(tx, 1000 + HOUR)) == 1
    assert [entry.recipient for entry in await claim(store, 1000 + HOUR)] == ["list@x.example"]
    found = await store.read(lambda tx: queue.find(tx, "other@x.example", ref.hash))
    assert found is not None and found.is_held
    assert await store.read(lambda tx: queue.find(tx, "other@x.example", b"y")) is None
