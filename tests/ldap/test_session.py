# SPDX-License-Identifier: Apache-2.0
"""A connection from its first byte to its last: bind, StartTLS, who am I, its end (RFC 4511, RFC 4513)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.ldap.client import BASE, Answer, Client, number, octets, tlv
from tests.world import IVANOV, PASSWORD, PETROVA, World

IVANOV_DN = f"uid={IVANOV},ou=people,dc=digital,dc=example"
START_TLS = "1.3.6.1.4.1.1466.20037"
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
NOTICE = b"1.3.6.1.4.1.1466.20036"
INVALID = 49


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        yield world


async def who(client: Client) -> str:
    answer = await client.extended(WHO_AM_I)
    assert answer.code == 0
    return answer.rest[0][1].decode()


async def test_log_in(world: World) -> None:
    ivanov = await world.directory.by_address(IVANOV)
    assert ivanov is not None
    device = await world.directory.add_app_password(ivanov.id, "printer")
    async with Client(world) as client:
        assert await who(client) == ""
        for name, password in (
            (IVANOV_DN, PASSWORD),
            ("UID=Ivanov@Digital.Example, OU=People, DC=digital;DC=example", PASSWORD),
            (IVANOV, PASSWORD),  # as Active Directory's clients do
            (IVANOV_DN, device),
        ):
            assert (await client.bind(name, password)).code == 0, name
            assert await who(client) == f"dn:{IVANOV_DN}"
        assert (await client.bind("", "")).code == 0  # RFC 4513 §5.1.1
        assert await who(client) == ""


async def test_who_is_not_let_in(world: World) -> None:
    """Always with the same answer, and whoever was logged in is not any more (RFC 4511 §4.2.1)."""
    texts = set()
    async with Client(world) as client:
        for name, password in (
            (IVANOV_DN, "wrong-password"),
            (f"uid={IVANOV},ou=people,dc=finance,dc=example", PASSWORD),
            (f"uid={IVANOV},ou=groups,dc=digital,dc=example", PASSWORD),
            (f"cn={IVANOV},ou=people,dc=digital,dc=example", PASSWORD),
            ("uid=nobody@digital.example,ou=people,dc=digital,dc=example", PASSWORD),
            ("dc=digital,dc=example", PASSWORD),
            ("uid==,", PASSWORD),
            ("\U0001f600", PASSWORD),
        ):
            assert (await client.bind()).code == 0
            answer = await client.bind(name, password)
            assert answer.code == INVALID, name
            texts.add(answer.text)
            assert await who(client) == ""
        bad = tlv(0x60, number(3) + octets(IVANOV_DN) + octets(b"\xff\xfe", 0x80))
        assert (await client.ask(bad)).code == INVALID
        assert (await client.bind(IVANOV_DN, "")).code == 53  # RFC 4513 §5.1.2
        assert (await client.bind(version=2)).code == 2
    assert len(texts) == 1


async def test_a_disabled_person(world: World) -> None:
    ivanov = await world.directory.by_address(IVANOV)
    assert ivanov is not None
    async with Client(world) as client, Client(world) as other:
        assert (await client.bind()).code == 0
        assert (await other.bind(PETROVA)).code == 0
        await world.directory.disable(ivanov.id)
        notice = await client.notice()
        assert (notice.code, notice.rest) == (53, [(0x8A, NOTICE)])
        assert (await other.search("(uid=ivanov)")).entries == {}
    async with Client(world) as client:
        assert (await client.bind(IVANOV_DN)).code == 53
        assert (await client.bind(IVANOV_DN, "wrong-password")).code == INVALID


async def test_guessing_is_throttled(tmp_path: Path) -> None:
    settings: dict[str, dict[str, Any]] = {"security": {"login_failures": 2, "login_wait": 60.0}}
    async with World(tmp_path, settings=settings) as world, Client(world) as client:
        for guess in ("one", "two"):
            assert (await client.bind(IVANOV_DN, guess)).code == INVALID
        assert (await client.bind()).code == 51  # busy


async def test_nobody_searches_without_log_in(world: World) -> None:
    async with Client(world) as client:
        answer = await client.search()
        assert (answer.code, answer.text, answer.entries) == (50, "log in first", {})
        operation = tlv(0x6E, octets(IVANOV_DN) + tlv(0x30, octets("cn") + octets("x")))
        assert (await client.ask(operation)).code == 50
        root = await client.search(base="", scope=BASE)
        assert root.entries[""]["objectClass"] == ["top"]
        schema = await client.search("(objectClass=subschema)", "*", "+", base="cn=Subschema", scope=BASE)
        types = schema.entries["cn=subschema"]["attributeTypes"]
        assert (
            "( 2.5.4.42 NAME ( 'givenName' 'gn' ) EQUALITY caseIgnoreMatch ORDERING caseIgnoreOrderingMatch"
            " SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )" in types
        )
        assert (
            "( 1.3.6.1.1.16.4 NAME 'entryUUID' EQUALITY caseIgnoreMatch ORDERING caseIgnoreOrderingMatch"
            " SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE"
            " NO-USER-MODIFICATION USAGE directoryOperation )" in types
        )


async def test_anonymous_departments(tmp_path: Path) -> None:
    settings: dict[str, dict[str, Any]] = {"ldap": {"anonymous": ("finance.example", "gone.example")}}
    async with World(tmp_path, settings=settings) as world, Client(world) as client:
        answer = await client.search("(objectClass=person)", base="")
        assert answer.names == ["sidorov@finance.example"]
        assert (await client.search(base="dc=digital,dc=example")).code == 32


async def test_the_root_dse(secured: World) -> None:
    async with Client(secured) as client:
        answer = await client.search("(objectClass=*)", "+", base="", scope=BASE)
        entry = answer.entries[""]
        assert entry["namingContexts"] == ["dc=digital,dc=example", "dc=finance,dc=example"]
        assert entry["supportedLDAPVersion"] == ["3"]
        assert entry["supportedExtension"] == [START_TLS, WHO_AM_I]
        assert "supportedSASLMechanisms" not in entry  # no log-in before TLS
    async with Client(secured, "ldaps") as client:
        answer = await client.search("(objectClass=*)", "+", base="", scope=BASE)
        assert "SCRAM-SHA-256" in answer.entries[""]["supportedSASLMechanisms"]
        assert answer.entries[""]["supportedExtension"] == [WHO_AM_I]


async def test_no_password_goes_in_clear_text(secured: World) -> None:
    async with Client(secured) as client:
        assert (await client.bind(IVANOV_DN)).code == 13  # confidentialityRequired
        assert (await client.sasl("PLAIN", b"\0a\0b")).code == 13
        answer = await client.extended(START_TLS)
        assert (answer.code, answer.rest) == (0, [(0x8A, START_TLS.encode())])
        await client.handshake()
        assert (await client.bind(IVANOV_DN)).code == 0
        assert (await client.search("(uid=ivanov)")).names == [IVANOV]
        assert (await client.extended(START_TLS)).code == 1
    async with Client(secured, "ldaps") as client:
        assert (await client.bind(IVANOV_DN)).code == 0


async def test_what_is_sent_behind_start_tls_is_not_taken(secured: World) -> None:
    async with Client(secured) as client:
        operation = tlv(0x77, octets(START_TLS, 0x80))
        both = b"".join(tlv(0x30, number(each) + operation) for each in (1, 2))
        client.writer.write(both)
        answer = await client.notice()
        assert answer.code == 2


async def test_sasl_plain(world: World) -> None:
    async with Client(world) as client:
        answer = await client.sasl("PLAIN", f"\0{IVANOV}\0{PASSWORD}".encode())
        assert (answer.code, answer.rest) == (0, [])
        assert await who(client) == f"dn:{IVANOV_DN}"
        assert (await client.sasl("PLAIN", f"\0{IVANOV}\0wrong".encode())).code == INVALID
        assert await who(client) == ""
        assert (await client.sasl("GSSAPI")).code == 7  # authMethodNotSupported
        assert (await client.sasl("PLAIN", b"nonsense")).code == 2


async def test_sasl_scram(world: World) -> None:
    async with Client(world) as client:
        bare = f"n={IVANOV},r=abcdefgh"
        answer = await client.sasl("SCRAM-SHA-256", f"n,,{bare}".encode())
        assert answer.code == 14  # saslBindInProgress
        (tag, challenge), *_ = answer.rest
        assert tag == 0x87
        final, expected = _proof(bare, challenge.decode())
        answer = await client.sasl("SCRAM-SHA-256", final)
        assert (answer.code, answer.rest) == (0, [(0x87, expected)])
        assert await who(client) == f"dn:{IVANOV_DN}"


async def test_a_log_in_that_is_given_up(world: World) -> None:
    """RFC 4513 §5.2.1.3: another bind begins anew."""
    async with Client(world) as client:
        first = f"n,,n={IVANOV},r=abcdefgh".encode()
        assert (await client.sasl("SCRAM-SHA-256", first)).code == 14
        assert (await client.sasl("PLAIN", f"\0{IVANOV}\0{PASSWORD}".encode())).code == 0
        assert (await client.sasl("SCRAM-SHA-1", first)).code == 14
        assert (await client.sasl("SCRAM-SHA-1", b"c=biws,r=x,p=y")).code in (2, INVALID)


def _proof(bare: str, challenge: str) -> tuple[bytes, bytes]:
    """RFC 5802 §3: the client's final message, and what the server must prove."""
    fields = dict(part.split("=", 1) for part in challenge.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    without = f"c=biws,r={fields['r']}"
    message = f"{bare},{challenge},{without}".encode()
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
    server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
    return f"{without},p={proof}".encode(), b"v=" + base64.b64encode(server)


async def test_a_limit_of_the_client_is_no_error_of_it(tmp_path: Path) -> None:
    """Who asks for two entries at each letter that is typed has done nothing wrong (RFC 4511 §4.5.1.4)."""
    async with World(tmp_path, settings={"ldap": {"errors": 3}}) as world, Client(world) as client:
        await client.bind()
        for _ in range(5):
            assert (await client.search("(objectClass=*)", size=1)).code == 4  # sizeLimitExceeded
        assert await who(client) == f"dn:{IVANOV_DN}"


async def test_too_many_errors(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"ldap": {"errors": 3}}) as world, Client(world) as client:
        for _ in range(3):
            assert (await client.search()).code == 50
        assert (await client.notice()).code == 53


async def test_silence_before_log_in(tmp_path: Path) -> None:
    settings: dict[str, dict[str, Any]] = {"security": {"login_timeout": 1.0}}
    async with World(tmp_path, settings=settings) as world, Client(world) as client:
        assert (await client.notice()).code == 52  # unavailable


async def test_the_end_of_the_server(tmp_path: Path) -> None:
    world = World(tmp_path)
    async with world:
        client = Client(world)
        await client.__aenter__()
        await client.bind()
        stopping = asyncio.ensure_future(world.stop())
        notice: Answer = await client.notice()
        assert notice.code == 52
        await stopping
        await client.__aexit__(None, None, None)


async def test_the_service_can_be_off(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"ldap": {"enabled": False}}) as world:
        with pytest.raises(ConnectionError):
            await world.connect("ldap")
