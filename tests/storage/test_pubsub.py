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
