# SPDX-License-Identifier: Apache-2.0
"""What leaves this server: signed by the author's domain, or sealed where it is only passed on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from armgs_server.formats import mime
from armgs_server.storage import dkim_keys
from armgs_server.storage.tx import Tx
from armgs_server.trust import arc, keys
from armgs_server.trust.bodies import Bodies
from armgs_server.trust.departure import Sealer
from armgs_server.trust.fields import split_fields
from armgs_server.trust.lookups import Lookups
from armgs_server.trust.model import Departure
from tests.smtp.client import Client
from tests.smtp.relaying import route
from tests.smtp.sink import Sink, running_sink
from tests.trust.conftest import MakeLookups
from tests.trust.test_arrival import kept, message, send, trusting_nobody
from tests.trust.test_dkim import verified
from tests.trust.zones import texts
from tests.world import IVANOV, World

KEYS = {"r1": keys.generate("rsa-sha256"), "e1": keys.generate("ed25519-sha256")}
RECORDS = texts(
    {
        f"{selector}._domainkey.digital.example": keys.dns_record(keys.load_private(private))
        for selector, private in KEYS.items()
    }
)


async def give_keys(world: World, domain: str = "digital.example") -> None:
    async def work(tx: Tx) -> None:
        for selector, private in KEYS.items():
            await dkim_keys.add(tx, domain, selector, private, is_used=True)

    await world.store.write(work)


@asynccontextmanager
async def sending(path: Path) -> AsyncIterator[tuple[World, Sink]]:
    async with running_sink(Sink()) as sink:
        async with World(path, settings={"smtp": {"relay_routes": (route(sink),)}}) as world:
            yield world, sink


async def submit(world: World, text: bytes, sender: str = IVANOV) -> None:
    async with Client(world, "submission") as client:
        await client.expect("EHLO client.example", "250")
        assert (await client.login(sender)).startswith("235")
        assert (await client.mail(sender, "bob@other.example", text=text)).startswith("250")


async def sent(sink: Sink) -> bytes:
    async with asyncio.timeout(20):
        while not sink.messages:
            await asyncio.sleep(0.02)
    content = sink.messages[-1].content
    assert isinstance(content, bytes)
    return content


async def test_mail_of_people_is_signed_twice(tmp_path: Path, make_lookups: MakeLookups) -> None:
    async with sending(tmp_path) as (world, sink):
        await give_keys(world)
        await submit(world, message(IVANOV) + "Привет\r\n".encode())
        text = await sent(sink)
    assert text.startswith(b"DKIM-Signature: v=1; a=")
    found = await verified(await make_lookups(RECORDS), text, now=2_000_000_000)
    assert sorted((each.result, each.domain, each.algorithm) for each in found) == [
        ("pass", "digital.example", "ed25519-sha256"),
        ("pass", "digital.example", "rsa-sha256"),
    ]
    assert b"\r\nReceived: " in text and b"Return-Path" not in text


async def test_domain_without_keys_sends_unsigned(tmp_path: Path) -> None:
    async with sending(tmp_path) as (world, sink):
        await give_keys(world, "finance.example")
        await submit(world, message(IVANOV))
        assert (await sent(sink)).startswith(b"Received: ")


async def test_new_key_is_used_at_once(tmp_path: Path) -> None:
    """What `armgs dkim` changes is told on the bus."""
    async with sending(tmp_path) as (world, sink):
        await submit(world, message(IVANOV))
        assert not (await sent(sink)).startswith(b"DKIM-Signature")
        await give_keys(world)
        sink.messages.clear()
        await submit(world, message(IVANOV))
        assert (await sent(sink)).startswith(b"DKIM-Signature")


async def test_who_is_signed_for(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        await give_keys(world)
        sealer = Sealer(world.daemon.core)

        async def is_signed(author: str, sender: str, submitter: int) -> bool:
            made = await sealer.seal(Departure(message(author), sender, submitter))
            return made.startswith(b"DKIM-Signature")

        assert await is_signed(IVANOV, IVANOV, 1)
        assert await is_signed("postmaster@digital.example", "", 0)  # a report
        assert not await is_signed(IVANOV, "bob@other.example", 0)  # passed on unjudged
        assert not await is_signed("bob@other.example", IVANOV, 1)
        assert not await is_signed(f"{IVANOV}, bob@other.example", IVANOV, 1)
        assert not await is_signed("nobody", IVANOV, 1)


async def test_signing_may_be_turned_off(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"trust": {"sign": False}}) as world:
        await give_keys(world)
        made = await Sealer(world.daemon.core).seal(Departure(message(IVANOV), IVANOV, 1))
        assert made == b""


async def arrived(world: World) -> bytes:
    """A message from outside as it is kept, and would be passed on: without Return-Path:."""
    [text] = await kept(world)
    return text.split("\r\n", 1)[1].encode()


async def chain_of(lookups: Lookups, text: bytes) -> arc.Chain:
    size = mime.header_end(text, 0, len(text))
    return await arc.validate(lookups, split_fields(text[:size]), Bodies(text, size), 2_000_000_000)


async def test_what_is_passed_on_is_sealed(tmp_path: Path, make_lookups: MakeLookups) -> None:
    zone = texts({"friend.example": "v=spf1 ip4:127.0.0.1 -all"})
    async with trusting_nobody(tmp_path, zone) as world:
        await give_keys(world)
        await send(world, "bob@friend.example", message("bob@friend.example"))
        text = await arrived(world)
        made = await Sealer(world.daemon.core).seal(Departure(text, "bob@friend.example", 0))
    assert made.startswith(b"ARC-Seal: i=1; a=rsa-sha256; t=")
    assert b"\r\nARC-Authentication-Results: i=1; localhost;\r\n\tspf=pass" in made
    assert b"; cv=none;" in made and b"DKIM-Signature" not in made
    lookups = await make_lookups(RECORDS)
    found = await chain_of(lookups, made + text)
    assert (found.result, found.sealer) == ("pass", "digital.example")
    assert (await chain_of(lookups, made + text.replace(b"Text.", b"Tex"))).result == "fail"


async def test_second_set_stands_on_the_first(tmp_path: Path, make_lookups: MakeLookups) -> None:
    """A sealed message comes in, is judged, and is passed on again; a trusted sealer vouches for it."""
    zone = RECORDS | texts({"_dmarc.friend.example": "v=DMARC1; p=reject", "friend.example": "v=spf1 -all"})
    async with trusting_nobody(tmp_path, zone, arc_sealers=("digital.example",)) as world:
        await give_keys(world)
        sealer = Sealer(world.daemon.core)
        judged = b"Authentication-Results: localhost; spf=pass; arc=none\r\n"
        text = judged + message("bob@friend.example")
        text = await sealer.seal(Departure(text, "x@friend.example", 0)) + text
        assert (await send(world, "x@friend.example", text)).startswith("250")
        again = await arrived(world)
        assert b"\tarc=pass (d=digital.example)" in again and b"dmarc=fail" in again
        made = await sealer.seal(Departure(again, "x@friend.example", 0))
    assert made.startswith(b"ARC-Seal: i=2;") and b"; cv=pass;" in made
    found = await chain_of(await make_lookups(RECORDS), made + again)
    assert (found.result, len(found.sets)) == ("pass", 2)


@pytest.mark.parametrize(("status", "start"), [(b"fail", b"ARC-Seal: i=2; a=rsa-sha256; t="), (b"none", b"")])
async def test_broken_chain_is_sealed_as_broken_once(
    tmp_path: Path, make_lookups: MakeLookups, status: bytes, start: bytes
) -> None:
    async with World(tmp_path) as world:
        await give_keys(world)
        sealer = Sealer(world.daemon.core)
        text = b"Authentication-Results: localhost; arc=none\r\n" + message("bob@friend.example")
        first = await sealer.seal(Departure(text, "x@friend.example", 0)) + text
        broken = first.replace(b"arc=none", b"arc=" + status).replace(b"Text.", b"Test.")
        if status == b"none":
            broken = first.replace(b"cv=none", b"cv=fail")
        made = await sealer.seal(Departure(broken, "x@friend.example", 0))
    assert made.startswith(start) and bool(made) == bool(start)
    assert (b"; cv=fail;" in made) == bool(start)


async def test_broken_key_leaves_mail_unsigned(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        await world.store.write(
            lambda tx: dkim_keys.add(tx, "digital.example", "x1", b"no key", is_used=True)
        )
        made = await Sealer(world.daemon.core).seal(Departure(message(IVANOV), IVANOV, 1))
        assert made == b""
