# SPDX-License-Identifier: Apache-2.0
"""The index of cards on both engines."""

from __future__ import annotations

import pytest

from armgs_server.errors import AlreadyExists
from armgs_server.formats.vcard import check
from armgs_server.storage import Store, accounts, cards, collections, items
from tests.dav.calendars import card

OWNER = 7


async def test_cards_are_found_by_their_text(store: Store) -> None:
    async def work(tx):  # type: ignore[no-untyped-def]
        await accounts.provision(tx, OWNER, 0)
        book = await collections.by_role(tx, OWNER, "addressbook", "default")
        made = {}
        for uid, fn, line in (
            ("anna", "Анна Петрова", "EMAIL:anna@example.com"),
            ("bob", "Bob 100% Stone", "TEL:+7 (912) 123"),
            ("carl", "Carl_the_Great!", "NOTE:x"),
        ):
            data = card(uid, fn, line)
            made[uid] = await items.add(tx, book, store.blobs.small(data), name=f"{uid}.vcf")
            await cards.put(tx, made[uid], check(data))
        return book, made

    book, made = await store.write(work)
    for text, expected in (
        ("петрова", ["anna"]),
        ("anna@", ["anna"]),
        ("+7912123", ["bob"]),
        ("100%", ["bob"]),
        ("%", ["bob"]),
        ("l_t", ["carl"]),
        ("_", ["carl"]),
        ("great!", ["carl"]),
        ("zoe", []),
    ):
        uids = await store.read(lambda tx, text=text: cards.containing(tx, OWNER, book.id, text))
        assert uids == [made[name].uid for name in expected], text

    changed = check(card("anna", "Анна Сидорова"))
    await store.write(lambda tx: cards.put(tx, made["anna"], changed))
    assert await store.read(lambda tx: cards.containing(tx, OWNER, book.id, "петрова")) == []
    assert await store.read(lambda tx: cards.name_of_holder(tx, OWNER, book.id, "anna")) == "anna.vcf"
    with pytest.raises(AlreadyExists):
        await store.write(lambda tx: cards.put(tx, made["bob"], changed))
    with pytest.raises(AlreadyExists):
        await store.write(lambda tx: cards.put(tx, made["bob"], check(card("other", "Other"))))
    await store.write(lambda tx: items.remove(tx, book, [made["anna"].uid]))
    assert await store.read(lambda tx: cards.name_of_holder(tx, OWNER, book.id, "anna")) is None
