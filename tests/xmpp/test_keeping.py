# SPDX-License-Identifier: Apache-2.0
"""What many send is written together: all of it, in order, and a refusal is for its own message alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from armgs_server.directory import Principal
from armgs_server.errors import AlreadyExists
from armgs_server.storage import Store, archive
from armgs_server.storage.archive import ArchiveQuery
from armgs_server.storage.tx import Work
from armgs_server.xmpp.delivery import Delivery
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.keeping import BATCH_LIMIT, Keeper
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.server import Server

ANN = Principal(1, "person", "ann@digital.example", "Ann", 0, 0, "", False, False, {})
BOB = parse("bob@digital.example/desk")


def message(number: int, recipient: Principal = ANN) -> Delivery:
    """One to be archived for its recipient alone; no session of this process has to be asked for that."""
    text = f"<message type='chat' id='m{number}'><body>{number}</body></message>".encode()
    delivery = Delivery(cast(Server, None), parse_stanza(text), BOB, parse(recipient.address), None)
    delivery.recipient, delivery.data = recipient, text
    delivery.archived = delivery.recipient_archives = True
    return delivery


async def archived(store: Store, owner: int = ANN.id) -> list[str]:
    """The bodies in the archive, in its order."""
    query = ArchiveQuery(limit=1000)
    page = await store.read(lambda tx: archive.page(tx, owner, query))
    return [parse_stanza(each.stanza).text("body") for each in page.messages]


async def test_what_arrives_together_is_one_transaction(store: Store) -> None:
    works: list[Work[Any]] = []
    write = store.write

    async def counting(work: Work[Any]) -> Any:
        works.append(work)
        return await write(work)

    store.write = counting  # type: ignore[method-assign]  # the real one does the work
    keeper = Keeper(store)
    deliveries = [message(number) for number in range(30)]
    await asyncio.gather(*(keeper.keep([delivery]) for delivery in deliveries))
    assert len(works) == 1
    assert await archived(store) == [str(number) for number in range(30)]
    ids = [delivery.recipient_id for delivery in deliveries]
    assert ids == sorted(set(ids))
    await keeper.keep([message(30)])
    assert (await archived(store))[-1] == "30"


async def test_no_transaction_is_larger_than_allowed(store: Store) -> None:
    keeper = Keeper(store)
    count = 2 * BATCH_LIMIT + 10
    await asyncio.gather(*(keeper.keep([message(number)]) for number in range(count)))
    large = [message(count + number) for number in range(BATCH_LIMIT + 5)]  # of one sender: not cut
    await keeper.keep(large)
    assert await archived(store) == [str(number) for number in range(count + len(large))]


async def test_a_refusal_is_for_its_own_message(store: Store) -> None:
    keeper = Keeper(store)
    bad = message(1)
    bad.data = cast(bytes, None)  # the store's own rule refuses it
    outcomes = await asyncio.gather(
        *(keeper.keep([delivery]) for delivery in (message(0), bad, message(2))), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), AlreadyExists, type(None)]
    assert await archived(store) == ["0", "2"]


async def test_who_is_gone_loses_nothing_for_others(store: Store) -> None:
    keeper = Keeper(store)
    other = replace(ANN, id=2, address="eve@digital.example")
    leaving = asyncio.ensure_future(keeper.keep([message(0)]))
    staying = asyncio.ensure_future(keeper.keep([message(1, other)]))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await archived(store, other.id) == ["1"]
    assert await archived(store) == ["0"]  # what was begun is kept, whoever waits for it
