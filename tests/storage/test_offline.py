# SPDX-License-Identifier: Apache-2.0
"""storage/offline.py on both engines."""

from __future__ import annotations

from armgs_server.storage import Store, offline


async def test_taken_in_pages_of_bounded_size(store: Store) -> None:
    sizes = [100, 100, 100, 5000, 100]
    for number, size in enumerate(sizes):
        stanza = b"%d" % number * size
        await store.write(lambda tx, s=stanza: offline.append(tx, 1, s, limit=10))
    pages = []
    while page := await store.write(lambda tx: offline.take(tx, 1, size=250)):
        pages.append([message.stanza[:1] for message in page])
    assert pages == [[b"0", b"1"], [b"2"], [b"3"], [b"4"]]


async def test_taken_once_and_in_order(store: Store) -> None:
    for number in range(3):
        stanza = b"<message>%d</message>" % number
        assert await store.write(lambda tx, s=stanza: offline.append(tx, 1, s, limit=3, sent=1000))
    assert not await store.write(lambda tx: offline.append(tx, 1, b"<message/>", limit=3))
    assert await store.write(lambda tx: offline.append(tx, 2, b"<message/>", limit=3))
    assert await store.read(lambda tx: offline.count(tx, 1)) == 3
    taken = await store.write(lambda tx: offline.take(tx, 1))
    assert [message.stanza for message in taken] == [b"<message>%d</message>" % n for n in range(3)]
    assert taken[0].sent == 1000
    assert await store.write(lambda tx: offline.take(tx, 1)) == []
    assert await store.read(lambda tx: offline.count(tx, 2)) == 1
