# SPDX-License-Identifier: Apache-2.0
"""Tokens to log in again with (XEP-0484), over plain sockets and over TLS with channel binding."""

from __future__ import annotations

import asyncio
import base64
import hmac
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from armgs_server.net import exporter
from tests.directory.test_exchange import Client as Scram
from tests.world import IVANOV, PASSWORD, PETROVA, World
from tests.xmpp.client import NAMESPACES, Client, find, text
from tests.xmpp.sasl2_client import BIND, LAPTOP, WANTS_TOKEN, Modern, authenticate, condition, hashed

GIVEN = "fast:token"


@pytest.fixture
async def phone(world: World) -> AsyncIterator[Modern]:
    """A device that has a token already."""
    phone = Modern(world, IVANOV)
    _, success = await phone.log_in()
    assert find(success, GIVEN).get("expiry", "").endswith("Z")
    yield phone
    await phone.close()


async def token_of(world: World) -> list[Any]:
    """(slot, count) of the tokens in the store."""
    return await world.store.read(lambda tx: tx.rows("SELECT slot, count FROM token ORDER BY slot"))


async def test_again_and_again(phone: Modern) -> None:
    client, success = await phone.return_()
    assert client.full.startswith(f"{IVANOV}/Phone/")
    # draft-ietf-kitten-sasl-ht §3.2: the server knows the token too
    answer = base64.b64decode(text(success, "sasl2:additional-data"))
    assert answer == hmac.digest(phone.token.encode(), b"Responder", "sha256")
    assert success.find(GIVEN, NAMESPACES) is None
    assert await token_of(phone.world) == [("current", 0)]
    again, _ = await phone.return_()
    assert again.full == client.full


async def test_the_token_is_not_in_the_store(phone: Modern) -> None:
    rows = await phone.world.store.read(lambda tx: tx.rows("SELECT device, mechanism, seed FROM token"))
    assert len(rows) == 1
    assert phone.token.encode() not in bytes(rows[0][2]) + repr(rows).encode()
    devices = await phone.world.store.read(lambda tx: tx.rows("SELECT * FROM device"))
    assert phone.agent is not None and phone.agent not in repr(devices)


async def test_a_token_is_of_one_device_and_one_person(phone: Modern) -> None:
    for thief in (
        Modern(phone.world, IVANOV, LAPTOP, phone.token),
        Modern(phone.world, IVANOV, None, phone.token),
        Modern(phone.world, IVANOV, "no-uuid", phone.token),
        Modern(phone.world, PETROVA, phone.agent, phone.token),
        Modern(phone.world, "nobody@digital.example", phone.agent, phone.token),
        Modern(phone.world, IVANOV, phone.agent, phone.token[:-1]),
    ):
        _, failure = await thief.return_()
        assert condition(failure) == "not-authorized", thief
        await thief.close()


async def test_a_token_is_no_password(phone: Modern) -> None:
    client = await phone.connect()
    assert (
        condition(await phone.ask(client, "PLAIN", f"\0{IVANOV}\0{phone.token}".encode())) == "not-authorized"
    )
    # nor does a password pass for a token, and `<fast/>` takes no other mechanism
    use = "<fast xmlns='urn:xmpp:fast:0'/>"
    answer = await phone.ask(client, "HT-SHA-256-NONE", hashed(IVANOV, PASSWORD), use)
    assert condition(answer) == "not-authorized"
    answer = await phone.ask(client, "PLAIN", f"\0{IVANOV}\0{PASSWORD}".encode(), use)
    assert condition(answer) == "invalid-mechanism"


@pytest.mark.parametrize(
    "message", [b"", b"ivanov", b"\0abc", b"ivanov\0", b"\xff\0abc", b"x" * 5000 + b"\0a"]
)
async def test_messages_that_are_none(phone: Modern, message: bytes) -> None:
    client = await phone.connect()
    answer = await phone.ask(client, "HT-SHA-256-NONE", message, "<fast xmlns='urn:xmpp:fast:0'/>")
    assert condition(answer) == "malformed-request"


async def test_counts_only_grow(phone: Modern) -> None:
    assert (await phone.return_(fast=" count='7'"))[1].tag.endswith("}success")
    assert await token_of(phone.world) == [("current", 7)]
    for replayed in ("7", "6", "0"):
        _, failure = await phone.return_(fast=f" count='{replayed}'")
        assert condition(failure) == "not-authorized"
    _, failure = await phone.return_(fast=" count='-1'")
    assert condition(failure) == "incorrect-encoding"
    assert (await phone.return_(fast=" count='8'"))[1].tag.endswith("}success")


async def test_one_count_is_good_for_one_of_two_at_once(phone: Modern) -> None:
    other = replace(phone, clients=[])
    answers = await asyncio.gather(phone.return_("", " count='3'"), other.return_("", " count='3'"))
    outcomes = sorted(answer.tag.rpartition("}")[2] for _, answer in answers)
    assert outcomes == ["failure", "success"]
    await other.close()


async def test_the_last_use(phone: Modern) -> None:
    assert (await phone.return_(fast=" invalidate='true'"))[1].tag.endswith("}success")
    assert await token_of(phone.world) == []
    assert condition((await phone.return_())[1]) == "not-authorized"


async def test_the_last_use_may_give_another(phone: Modern) -> None:
    _, success = await phone.return_(WANTS_TOKEN, " invalidate='1'")
    assert success.find(GIVEN, NAMESPACES) is not None
    assert (await phone.return_())[1].tag.endswith("}success")


async def test_rotation(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"security": {"token_rotation": 0.0}}) as world:
        phone = Modern(world, IVANOV)
        await phone.log_in()
        first = phone.token
        await phone.return_()
        second = phone.token
        assert second != first
        # §3.5: until the new one is used, the old one is good; it brings yet another
        phone.token = first
        await phone.return_()
        third = phone.token
        assert third not in (first, second)
        phone.token = second  # given out, never used, replaced
        assert condition((await phone.return_())[1]) == "not-authorized"
        phone.token = third
        assert (await phone.return_())[1].tag.endswith("}success")
        phone.token = first  # a later one has been used
        assert condition((await phone.return_())[1]) == "not-authorized"
        await phone.close()


async def test_an_expired_token_is_told_from_a_wrong_one(phone: Modern) -> None:
    await phone.world.store.write(lambda tx: tx.execute("UPDATE token SET expires = 1"))
    assert condition((await phone.return_())[1]) == "credentials-expired"
    _, success = await phone.log_in()
    assert success.find(GIVEN, NAMESPACES) is not None
    assert (await phone.return_())[1].tag.endswith("}success")


async def test_a_new_password_voids_tokens_and_so_does_disabling(phone: Modern) -> None:
    directory = phone.world.directory
    person = await directory.by_address(IVANOV)
    assert person is not None
    client, _ = await phone.return_()
    await directory.set_password(person.id, "another-password")
    await client.receive("stream:error")
    assert condition((await phone.return_())[1]) == "not-authorized"
    await phone.log_in(password="another-password")
    assert (await phone.return_())[1].tag.endswith("}success")
    await directory.disable(person.id)
    assert condition((await phone.return_())[1]) == "not-authorized"
    await directory.enable(person.id)
    assert condition((await phone.return_())[1]) == "not-authorized"


async def test_guessing_is_throttled(tmp_path: Path) -> None:
    settings = {"security": {"login_failures": 3, "login_wait": 600.0}}
    async with World(tmp_path, settings=settings) as world:
        guesser = Modern(world, IVANOV, token="guess")
        for _ in range(3):
            assert condition((await guesser.return_())[1]) == "not-authorized"
        _, failure = await guesser.log_in()
        assert condition(failure) in ("temporary-auth-failure", "not-authorized")
        await guesser.close()


async def test_devices_are_bounded(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"security": {"devices": 2}}) as world:
        phones = [
            Modern(world, IVANOV, f"{number}4565fa7-4d72-4749-b3d3-740edbf87770") for number in range(3)
        ]
        for phone in phones:
            await phone.log_in()
        assert condition((await phones[0].return_())[1]) == "not-authorized"
        assert (await phones[2].return_())[1].tag.endswith("}success")
        for phone in phones:
            await phone.close()


# Channel binding


def exported(client: Client) -> bytes:
    """The client's end of tls-exporter, by the same function: test_exporter has OpenSSL's word for it."""
    tls = client.writer.get_extra_info("ssl_object")
    assert isinstance(tls, ssl.SSLObject)
    material = exporter.export(tls)
    assert material is not None
    return material


async def test_scram_plus_with_tls_exporter(world: World) -> None:
    phone = Modern(world, IVANOV)
    client = Client(world, IVANOV)
    phone.clients.append(client)
    await client.connect("xmpps", secure=True)
    features = await client.open()
    kinds = [each.get("type") for each in find(features, "cb:sasl-channel-binding")]
    assert kinds == ["tls-exporter", "tls-server-end-point"]
    names = [each.text for each in features.findall("sasl2:authentication/sasl2:mechanism", NAMESPACES)]
    assert names[0] == "SCRAM-SHA-256-PLUS"
    scram = Scram(IVANOV, PASSWORD, gs2="p=tls-exporter,,", binding=exported(client))
    wanted = WANTS_TOKEN.replace("NONE", "EXPR")
    client.send(authenticate("SCRAM-SHA-256-PLUS", scram.first(), BIND + wanted))
    challenge = await client.receive("sasl2:challenge")
    final = base64.b64encode(scram.final(base64.b64decode(challenge.text or ""))).decode()
    client.send(f"<response xmlns='urn:xmpp:sasl:2'>{final}</response>")
    success = await client.receive("sasl2:success")
    phone.token = find(success, GIVEN).get("token", "")

    # The token needs the channel of each connection, and its own mechanism.
    use = "<fast xmlns='urn:xmpp:fast:0'/>"
    again = await phone.connect(secure=True)
    answer = await phone.ask(again, "HT-SHA-256-EXPR", hashed(IVANOV, phone.token, exported(client)), use)
    assert condition(answer) == "not-authorized"
    answer = await phone.ask(again, "HT-SHA-256-NONE", hashed(IVANOV, phone.token), use)
    assert condition(answer) == "not-authorized"
    answer = await phone.ask(again, "HT-SHA-256-EXPR", hashed(IVANOV, phone.token, exported(again)), use)
    assert answer.tag.endswith("}success")
    plain = await phone.connect()
    answer = await phone.ask(plain, "HT-SHA-256-EXPR", hashed(IVANOV, phone.token), use)
    assert condition(answer) == "invalid-mechanism"
    await phone.close()


async def test_a_client_that_was_shown_no_binding_is_refused(world: World) -> None:
    client = Client(world, IVANOV)
    await client.connect("xmpps", secure=True)
    await client.open()
    client.send(authenticate("SCRAM-SHA-256", Scram(IVANOV, PASSWORD, gs2="y,,").first()))
    failure = await client.receive("sasl2:failure")
    assert condition(failure) == "not-authorized"  # RFC 5802 §6: somebody has cut the list
    await client.disconnect()
