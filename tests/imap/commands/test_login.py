# SPDX-License-Identifier: Apache-2.0
"""Log-in and STARTTLS: RFC 3501 §6.2, RFC 8314; over the daemon with its certificates."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.imap.client import Client
from tests.world import HOSTNAME, IVANOV, PASSWORD, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        yield world


async def connect(world: World, *, secure: bool = False) -> tuple[Client, bytes]:
    client = Client(*await world.connect("imaps" if secure else "imap", secure=secure))
    return client, await client.line()


async def test_nobody_logs_in_without_tls(world: World) -> None:
    client, greeting = await connect(world)
    assert b" STARTTLS " in greeting and b" LOGINDISABLED" in greeting and b"AUTH=" not in greeting
    assert await client.no(f"LOGIN {IVANOV} {PASSWORD}") == b"NO [PRIVACYREQUIRED] log-in needs TLS here"
    assert (await client.no("AUTHENTICATE PLAIN")).startswith(b"NO [PRIVACYREQUIRED] ")
    await client.close()


async def test_starttls(world: World) -> None:
    client, _ = await connect(world)
    await client.ok("STARTTLS")
    await client.writer.start_tls(world.client_context(), server_hostname=HOSTNAME)
    [capabilities] = await client.ok("CAPABILITY")
    assert b"STARTTLS" not in capabilities and b"LOGINDISABLED" not in capabilities
    assert b" AUTH=SCRAM-SHA-256" in capabilities and b" AUTH=PLAIN" in capabilities
    assert (await client.no("STARTTLS")).startswith(b"BAD ")
    await client.ok(f"LOGIN {IVANOV} {PASSWORD}")
    assert (await client.ok("SELECT INBOX"))[2] == b"* 0 EXISTS"
    await client.close()


async def test_nothing_sent_in_clear_text_is_taken_as_sent_under_tls(world: World) -> None:
    client, _ = await connect(world)
    client.send(b"1 STARTTLS\r\n2 LOGIN " + f"{IVANOV} {PASSWORD}\r\n".encode())
    assert await client.line() == b"* BYE input behind STARTTLS"
    assert await client.line() == b""
    await client.close()


async def test_tls_from_the_first_byte(world: World) -> None:
    client, greeting = await connect(world, secure=True)
    assert b"LOGINDISABLED" not in greeting
    await client.ok(f"LOGIN {IVANOV} {PASSWORD}")
    [capabilities] = await client.ok("CAPABILITY")
    assert b"AUTH=" not in capabilities
    await client.close()


async def test_kick_ends_the_sessions_of_who_changes_the_password(world: World) -> None:
    client, _ = await connect(world, secure=True)
    await client.ok(f"LOGIN {IVANOV} {PASSWORD}")
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    async with asyncio.timeout(10):
        await world.directory.set_password(person.id, "another-password")
        assert (await client.line()).startswith(b"* BYE ")
        assert await client.line() == b""
    await client.close()
    again, _ = await connect(world, secure=True)
    assert (await again.no(f"LOGIN {IVANOV} {PASSWORD}")).startswith(b"NO [AUTHENTICATIONFAILED] ")
    await again.ok(f"LOGIN {IVANOV} another-password")
    await again.close()


async def test_a_password_that_is_too_old(tmp_path: Path) -> None:
    """RFC 5530 §3: EXPIRED, to who knows it."""
    settings = {"security": {"password_days": 30}}
    async with World(tmp_path, settings=settings) as world:
        await world.store.write(lambda tx: tx.execute("UPDATE credential SET created = 1"))
        client, _ = await connect(world)
        assert (await client.no(f"LOGIN {IVANOV} {PASSWORD}")).startswith(b"NO [EXPIRED] ")
        plain = base64.b64encode(f"\0{IVANOV}\0{PASSWORD}".encode()).decode()
        assert (await client.no(f"AUTHENTICATE PLAIN {plain}")).startswith(b"NO [EXPIRED] ")
        wrong = await client.no(f"LOGIN {IVANOV} wrong-password")
        assert wrong.startswith(b"NO [AUTHENTICATIONFAILED] ")
        person = await world.directory.by_address(IVANOV)
        assert person is not None
        app = await world.directory.add_app_password(person.id, "phone")
        await client.ok(f"LOGIN {IVANOV} {app}")
        await client.close()


async def test_who_guesses_must_wait(tmp_path: Path) -> None:
    settings = {"security": {"login_failures": 2}}
    async with World(tmp_path, settings=settings) as world:
        client, _ = await connect(world)
        for guess in range(2):
            refused = await client.no(f"LOGIN {IVANOV} wrong{guess}")
            assert refused.startswith(b"NO [AUTHENTICATIONFAILED] ")
        assert (await client.no(f"LOGIN {IVANOV} {PASSWORD}")).startswith(b"NO [LIMIT] ")
        await client.close()


@pytest.mark.parametrize("initial", [True, False], ids=["with initial response", "without"])
async def test_scram(world: World, initial: bool) -> None:
    """RFC 7677 over RFC 3501 §6.2.2: the server's proof comes as a challenge, answered by an empty line."""
    client, _ = await connect(world, secure=True)
    bare = f"n={IVANOV},r=client-nonce"
    first = base64.b64encode(f"n,,{bare}".encode()).decode()
    if initial:
        client.send(f"1 AUTHENTICATE SCRAM-SHA-256 {first}\r\n".encode())
    else:
        client.send(b"1 AUTHENTICATE SCRAM-SHA-256\r\n")
        assert await client.line() == b"+ "
        client.send(f"{first}\r\n".encode())
    server_first = base64.b64decode((await client.line()).removeprefix(b"+ ")).decode()
    nonce, salt, iterations = (part.partition("=")[2] for part in server_first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), base64.b64decode(salt), int(iterations))
    final = f"c=biws,r={nonce}"
    message = f"{bare},{server_first},{final}".encode()
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
    proof = bytes(left ^ right for left, right in zip(key, signature, strict=True))
    client.send(base64.b64encode(f"{final},p={base64.b64encode(proof).decode()}".encode()) + b"\r\n")
    expected = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
    verifier = b"v=" + base64.b64encode(expected)
    assert await client.line() == b"+ " + base64.b64encode(verifier)
    client.send(b"\r\n")
    assert (await client.responses(b"1"))[-1].startswith(b"OK [CAPABILITY ")
    await client.ok("SELECT INBOX")
    await client.close()
