# SPDX-License-Identifier: Apache-2.0
"""storage/pubsub_members.py on both engines."""

from __future__ import annotations

from dataclasses import replace

from armgs_server.storage import Store, pubsub, pubsub_members
from armgs_server.storage.pubsub_members import Subscription
from armgs_server.storage.tx import Tx

MADE = Subscription(1, "n", "a@x/1", "s1", "a@x", "pubsub.x", "subscribed", {"deliver": True}, 0)


async def put(store: Store, *subscriptions: Subscription) -> None:
    for each in subscriptions:
        await store.write(lambda tx, each=each: pubsub_members.put(tx, each))


async def test_affiliations(store: Store) -> None:
    async def work(tx: Tx) -> None:
        await pubsub_members.set_affiliation(tx, 1, "n", "a@x", "owner")
        await pubsub_members.set_affiliation(tx, 1, "n", "b@x", "member")
        await pubsub_members.set_affiliation(tx, 1, "n", "b@x", "outcast")
        await pubsub_members.set_affiliation(tx, 1, "m", "b@x", "publisher")
        await pubsub_members.set_affiliation(tx, 1, "n", "c@x", "member")
        await pubsub_members.set_affiliation(tx, 1, "n", "c@x", "none")

    await store.write(work)
    assert await store.read(lambda tx: pubsub_members.affiliations(tx, 1, "n")) == {
        "a@x": "owner",
        "b@x": "outcast",
    }
    assert await store.read(lambda tx: pubsub_members.affiliation(tx, 1, "n", "c@x")) == "none"
    of = await store.read(lambda tx: pubsub_members.affiliations_of(tx, 1, "b@x"))
    assert of == [("m", "publisher"), ("n", "outcast")]
    await store.write(lambda tx: pubsub_members.forget_person(tx, "b@x"))
    assert await store.read(lambda tx: pubsub_members.affiliations_of(tx, 1, "b@x")) == []


async def test_subscriptions(store: Store) -> None:
    second = replace(MADE, jid="a@x/2", subid="s2", expires=100)
    other = replace(MADE, jid="b@x", bare="b@x", state="pending")
    await put(store, MADE, second, other)
    everybody = await store.read(lambda tx: pubsub_members.subscriptions(tx, 1, "n", 50))
    assert everybody == [MADE, second, other]
    assert await store.read(
        lambda tx: pubsub_members.subscriptions(tx, 1, "n", 50, after="a@x/1", limit=1)
    ) == [second]
    assert await store.read(lambda tx: pubsub_members.subscriptions(tx, 1, "n", 100)) == [MADE, other]
    assert await store.read(lambda tx: pubsub_members.subscriptions_of(tx, 1, "a@x", 50, "n")) == [
        MADE,
        second,
    ]
    assert await store.read(lambda tx: pubsub_members.subscriptions_of(tx, 1, "a@x", 50)) == [MADE, second]
    assert await store.read(lambda tx: pubsub_members.count_subscribers(tx, 1, "n", 50)) == 2
    assert await store.read(lambda tx: pubsub_members.pending_nodes(tx, 1)) == ["n"]
    await store.write(lambda tx: pubsub_members.sweep(tx, 1, "n", 100))
    await put(store, replace(other, state="subscribed"))
    await store.write(lambda tx: pubsub_members.remove(tx, MADE))
    left = await store.read(lambda tx: pubsub_members.subscriptions(tx, 1, "n", 1))
    assert left == [replace(other, state="subscribed")]


async def test_redirects_and_deletion(store: Store) -> None:
    async def work(tx: Tx) -> None:
        await pubsub.configure(tx, 1, "n", {}, "a@x")
        await pubsub_members.put(tx, MADE)
        await pubsub_members.set_redirect(tx, 1, "m", "xmpp:x")
        await pubsub_members.set_redirect(tx, 1, "m", "xmpp:y")

    await store.write(work)
    assert await store.read(lambda tx: pubsub_members.redirect(tx, 1, "m")) == "xmpp:y"
    await store.write(lambda tx: pubsub_members.forget_redirect(tx, 1, "m"))
    assert await store.read(lambda tx: pubsub_members.redirect(tx, 1, "m")) is None
    await store.write(lambda tx: pubsub.delete(tx, 1, "n"))
    assert await store.read(lambda tx: pubsub_members.subscriptions(tx, 1, "n", 1)) == []
    await store.write(work)
    await store.write(lambda tx: pubsub.delete_all(tx, 1))
    assert await store.read(lambda tx: pubsub_members.redirect(tx, 1, "m")) is None
    assert await store.read(lambda tx: pubsub.count(tx, 1)) == 0
