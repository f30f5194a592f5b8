# SPDX-License-Identifier: Apache-2.0
"""storage/pubsub.py on both engines."""

from __future__ import annotations

from armgs_server.storage import Store, pubsub


async def put(store: Store, node: str, item_id: str, max_items: int = 2, owner: int = 1) -> None:
    payload = f"<item id='{item_id}'/>".encode()
    await store.write(lambda tx: pubsub.publish(tx, owner, node, item_id, payload, max_items))


async def ids(store: Store, node: str, **options: object) -> list[str]:
    found = await store.read(lambda tx: pubsub.items(tx, 1, node, **options))  # type: ignore[arg-type]
    return [item.id for item in found]


async def test_the_oldest_items_go(store: Store) -> None:
    for item_id in ("a", "b", "a", "c"):
        await put(store, "n", item_id)
    assert await ids(store, "n") == ["a", "c"]
    assert await ids(store, "n", limit=1) == ["c"]
    assert await ids(store, "n", ids=("a", "z")) == ["a"]
    assert await store.write(lambda tx: pubsub.retract(tx, 1, "n", ["a", "z"])) == 1
    assert await ids(store, "n") == ["c"]


async def test_nodes_have_a_configuration(store: Store) -> None:
    assert await store.read(lambda tx: pubsub.config(tx, 1, "n")) is None
    for model in ("open", "whitelist"):
        await store.write(lambda tx, m=model: pubsub.configure(tx, 1, "n", {"access_model": m}))
    assert await store.read(lambda tx: pubsub.config(tx, 1, "n")) == {"access_model": "whitelist"}
    assert list(await store.read(lambda tx: pubsub.nodes(tx, 1))) == ["n"]
    await put(store, "n", "a")
    assert await store.write(lambda tx: pubsub.delete(tx, 1, "n"))
    assert not await store.write(lambda tx: pubsub.delete(tx, 1, "n"))
    assert await ids(store, "n") == []


async def test_last_items_of_several_owners(store: Store) -> None:
    for owner, node, item_id in ((1, "n", "a"), (1, "n", "b"), (2, "n", "c"), (1, "m", "d"), (3, "n", "e")):
        await put(store, node, item_id, owner=owner)
    found = await store.read(lambda tx: pubsub.last_items(tx, [1, 2]))
    assert [(item.owner, item.node, item.id) for item in found] == [
        (1, "n", "b"),
        (2, "n", "c"),
        (1, "m", "d"),
    ]


async def test_nodes_and_items_in_pages(store: Store) -> None:
    for node, creator in (("a", "x@y"), ("b", "x@y"), ("c", "z@y")):
        await store.write(lambda tx, n=node, c=creator: pubsub.configure(tx, 1, n, {}, c))
    page = await store.read(lambda tx: pubsub.page(tx, 1, after="a", limit=1))
    assert [(node.name, node.creator) for node in page] == [("b", "x@y")]
    assert await store.read(lambda tx: pubsub.count(tx, 1)) == 3
    assert await store.read(lambda tx: pubsub.count(tx, 1, "x@y")) == 2
    for item_id in ("1", "2", "3", "4"):
        await put(store, "a", item_id, max_items=10)
    second = await store.read(lambda tx: pubsub.item(tx, 1, "a", "2"))
    assert second is not None
    assert await ids(store, "a", after=second.published, limit=1, is_oldest_first=True) == ["3"]
    assert await ids(store, "a", before=second.published) == ["1"]
    assert await ids(store, "a", since=second.time + 10**9) == []
    assert await store.read(lambda tx: pubsub.count_before(tx, 1, "a", second.published)) == 1
    assert await store.read(lambda tx: pubsub.count_items(tx, 1, "a")) == 4
    assert await store.write(lambda tx: pubsub.trim(tx, 1, "a", 3)) == ["1"]
    await store.write(lambda tx: pubsub.expire(tx, 1, "a", second.time + 10**9))
    assert await ids(store, "a") == []


async def test_last_items_of_wanted_nodes(store: Store) -> None:
    for node in ("n", "m"):
        await put(store, node, "1")
    assert [item.node for item in await store.read(lambda tx: pubsub.last_items(tx, [1], {"m"}))] == ["m"]
    assert await store.read(lambda tx: pubsub.last_items(tx, [1], ())) == []
