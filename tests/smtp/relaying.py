# SPDX-License-Identifier: Apache-2.0
"""What tests of the relay share: a clock turned by hand, messages in the queue, a look at the outcome."""

from __future__ import annotations

from typing import Any

from armgs_server.formats.addresses import normalise_domain
from armgs_server.service import Core
from armgs_server.smtp.copies import Copy, Envelope, Stored
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.policy import Recipient
from armgs_server.smtp.relay import Relay
from armgs_server.storage import collections, items
from armgs_server.storage.tx import Tx
from tests.smtp.sink import Sink
from tests.world import IVANOV

SECOND = 1_000_000
TEXT = f"From: <{IVANOV}>\r\nSubject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\n\r\n.dot\r\nbody\r\n".encode()


class Clock:
    """The relay's time, turned by hand."""

    def __init__(self) -> None:
        self.value = 1_790_000_000 * SECOND

    def __call__(self) -> int:
        return self.value

    def forward(self, seconds: float) -> None:
        self.value += round(seconds * SECOND)


async def enqueue(
    core: Core,
    now: int,
    *recipients: str,
    sender: str = IVANOV,
    text: bytes = TEXT,
    notify: tuple[str, ...] = (),
    **envelope: Any,
) -> None:
    top = f"Return-Path: <{sender}>\r\n".encode()
    copy = Copy((), tuple(_remote(each, notify) for each in recipients))
    stored = Stored(copy, await core.store.blobs.put(top + text), None, len(top))
    author = await core.directory.by_address(IVANOV)
    assert author is not None
    await Delivery(core).deliver(Envelope(sender, author.id, **envelope), [stored], now)


def _remote(address: str, notify: tuple[str, ...]) -> Recipient:
    return Recipient(address, normalise_domain(address.rpartition("@")[2]), notify=frozenset(notify))


async def run(relay: Relay) -> None:
    await relay.run_once()
    await relay.settled()


async def queued(core: Core) -> list[tuple[str, int, str]]:
    return await core.store.read(
        lambda tx: tx.rows("SELECT recipient, attempts, last_error FROM queue ORDER BY id")
    )


async def inbox(core: Core, address: str, role: str = "inbox") -> list[bytes]:
    person = await core.directory.by_address(address)
    assert person is not None
    owner = person.id

    async def work(tx: Tx) -> list[bytes]:
        collection = await collections.by_role(tx, owner, "mail", role)
        assert collection is not None
        return [item.blob for item in await items.scan(tx, owner, collection.id)]

    return [await core.store.blobs.read(blob) for blob in await core.store.read(work)]


def route(sink: Sink, domain: str = "other.example") -> str:
    return f"{domain}=127.0.0.1:{sink.port}"
