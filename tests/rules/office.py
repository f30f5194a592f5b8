# SPDX-License-Identifier: Apache-2.0
"""A person's mailbox with rules: scripts are put as a client puts them, mail comes as mail comes."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from armgs_server.rules.sieve.checking import check
from armgs_server.rules.sieve.program import serialise
from armgs_server.storage import Store, clock, collections, items, sieve
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Row, Tx
from tests.smtp.client import Client
from tests.world import PETROVA, World

OUTSIDER = "someone@other.example"
TIMEOUT = 15.0


async def person_id(world: World, address: str = PETROVA) -> int:
    person = await world.directory.by_address(address)
    assert person is not None
    return person.id


async def put_script(world: World, text: str, address: str = PETROVA, name: str = "rules") -> None:
    """The script, active from now on; of a department where a domain is given."""
    owner = await person_id(world, address)
    await keep_script(world, text, owner, name)
    await world.store.write(lambda tx: sieve.activate(tx, owner, name))


class HasStore(Protocol):
    @property
    def store(self) -> Store: ...


async def keep_script(world: HasStore, text: str, owner: int, name: str) -> None:
    """The script, checked and kept, active or not."""
    data = text.encode()
    program = serialise(check(data, 30).program)
    await world.store.write(lambda tx: sieve.put(tx, owner, name, data, program, clock.now()))


def message(**fields: str) -> bytes:
    """A short message; `Message_Id` makes Message-Id."""
    body = fields.pop("body", "Hello there")
    head = {"From": OUTSIDER, "To": PETROVA, "Subject": "Hello", **fields}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in head.items() if value]
    return "\r\n".join([*lines, "", body, ""]).encode()


async def send(
    world: World, text: bytes, *recipients: str, sender: str = OUTSIDER, expect: str = "250 "
) -> str:
    """By SMTP, as from another server."""
    async with Client(world) as client:
        await client.ehlo()
        reply = await client.mail(sender, *(recipients or (PETROVA,)), text=text)
    assert reply.startswith(expect), reply
    return reply


async def mailboxes(world: World, address: str = PETROVA) -> dict[str, list[Item]]:
    """What lies in each mailbox that is not empty."""
    owner = await person_id(world, address)

    async def work(tx: Tx) -> dict[str, list[Item]]:
        found = await collections.all_of(tx, owner, "mail")
        names = {each.id: each for each in found}

        def path(number: int) -> str:
            each = names[number]
            return f"{path(each.parent)}/{each.name}" if each.parent else each.name

        listed = {path(each.id): await items.scan(tx, owner, each.id) for each in found}
        return {name: held for name, held in listed.items() if held}

    return await world.store.read(work)


async def counts(world: World, address: str = PETROVA) -> dict[str, int]:
    """How many messages lie in each mailbox that is not empty."""
    return {name: len(held) for name, held in (await mailboxes(world, address)).items()}


async def texts(world: World, name: str = "INBOX", address: str = PETROVA) -> list[bytes]:
    """The messages in a mailbox, oldest first."""
    held = (await mailboxes(world, address)).get(name, [])
    return [await world.store.blobs.read(item.blob) for item in held]


async def deliver(world: World, script: str, text: bytes, **options: Any) -> dict[str, int]:
    """One message for Petrova under a script; where it lies then."""
    await put_script(world, script)
    await send(world, text, **options)
    return await counts(world)


async def queued(world: World) -> list[tuple[str, str, bytes]]:
    """(sender, recipient, message) of all that waits to be sent."""

    async def work(tx: Tx) -> list[Row]:
        return await tx.rows("SELECT sender, recipient, blob FROM queue ORDER BY id")

    rows = await world.store.read(work)
    return [(row[0], row[1], await world.store.blobs.read(row[2])) for row in rows]


async def wait_for(world: World, address: str, name: str, count: int = 1) -> list[bytes]:
    """A mailbox once it has so many messages."""
    async with asyncio.timeout(TIMEOUT):
        while len(found := await texts(world, name, address)) < count:
            await asyncio.sleep(0.02)
    return found
