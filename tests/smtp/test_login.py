# SPDX-License-Identifier: Apache-2.0
"""smtp/login.py: AUTH of RFC 4954 on the submission ports, with STARTTLS of RFC 3207."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.smtp.client import Client, inbox
from tests.world import HOSTNAME, IVANOV, PASSWORD, PETROVA, World


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_no_log_in_on_the_mx_port(world: World) -> None:
    async with Client(world) as client:
        assert not any(line.startswith("AUTH") for line in await client.ehlo())
        await client.expect(f"AUTH PLAIN {encoded('x')}", "502 5.5.1 ")


async def test_submission_needs_a_log_in(world: World) -> None:
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.expect(f"MAIL FROM:<{IVANOV}>", "530 5.7.0 Authentication required")
        assert await client.login(IVANOV) == "235 2.7.0 Authentication succeeded"
        assert not any(line.startswith("AUTH") for line in await client.ehlo())
        await client.expect("AUTH PLAIN", "503 5.5.1 ")
        assert (await client.mail(IVANOV, PETROVA)).startswith("250 ")
    [message] = await inbox(world, PETROVA)
    assert b" with ESMTPA id " in message


async def test_plain_with_and_without_initial_response(world: World) -> None:
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.expect("AUTH PLAIN", "334 ")
        await client.expect(encoded(f"\0{IVANOV}\0{PASSWORD}"), "235 ")


async def test_login_mechanism(world: World) -> None:
    async with Client(world, "submission") as client:
        [offered] = [line for line in await client.ehlo() if line.startswith("AUTH ")]
        assert {"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"} <= set(offered.split())
        await client.expect("AUTH LOGIN", "334 VXNlcm5hbWU6")
        await client.expect(encoded(IVANOV), "334 UGFzc3dvcmQ6")
        await client.expect(encoded(PASSWORD), "235 ")


async def test_no_secret_is_written_to_the_trace(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="armgs_server")
    async with World(tmp_path, settings={"log": {"trace": ["smtp"], "level": "debug"}}) as world:
        async with Client(world, "submission") as client:
            await client.ehlo()
            await client.login(IVANOV, "wrong-password")
            await client.expect("AUTH LOGIN", "334 ")
            await client.expect(encoded(IVANOV), "334 ")
            await client.expect(encoded(PASSWORD), "235 ")
            await client.expect(f"MAIL FROM:<{IVANOV}>", "250 ")
    written = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert f"MAIL FROM:<{IVANOV}>" in written  # the trace is on
    for secret in (PASSWORD, "wrong-password"):
        assert secret not in written
        assert encoded(secret) not in written
    assert encoded(f"\0{IVANOV}\0wrong-password") not in written


async def test_scram(world: World) -> None:
    """RFC 5802 by hand: the server's signature comes as a challenge, answered by an empty line."""
    import hashlib
    import hmac

    async with Client(world, "submission") as client:
        await client.ehlo()
        first_bare = f"n={IVANOV},r=clientnonce"
        reply = await client.expect(f"AUTH SCRAM-SHA-256 {encoded('n,,' + first_bare)}", "334 ")
        server_first = base64.b64decode(reply[4:]).decode()
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac(
            "sha256", PASSWORD.encode(), base64.b64decode(fields["s"]), int(fields["i"])
        )
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={fields['r']}"
        auth_message = f"{first_bare},{server_first},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), auth_message, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        reply = await client.expect(encoded(f"{without_proof},p={base64.b64encode(proof).decode()}"), "334 ")
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        expected = base64.b64encode(hmac.digest(server_key, auth_message, "sha256"))
        assert base64.b64decode(reply[4:]) == b"v=" + expected
        await client.expect("", "235 2.7.0 ")
        await client.expect(f"MAIL FROM:<{IVANOV}>", "250 ")


async def test_failures(world: World) -> None:
    async with Client(world, "submission") as client:
        await client.expect("AUTH PLAIN x", "503 5.5.1 Say EHLO")
        await client.expect("HELO x", "250 ")
        await client.expect("AUTH PLAIN x", "503 5.5.1 ")
        await client.ehlo()
        await client.expect("AUTH FOO", "504 5.5.4 ")
        await client.expect("AUTH PLAIN !", "501 5.5.2 ")
        await client.expect("AUTH PLAIN", "334 ")
        await client.expect("*", "501 5.7.0 ")
        await client.expect("AUTH LOGIN", "334 ")
        await client.expect("not base64", "501 5.5.2 ")
        wrong = await client.login(IVANOV, "wrong")
        assert wrong == await client.login("nobody@digital.example", "wrong")
        assert wrong.startswith("535 5.7.8 ")
        assert (await client.login(IVANOV)).startswith("235 ")


async def test_without_tls_nothing_is_offered(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        async with Client(world, "submission") as client:
            offered = await client.ehlo()
            assert "STARTTLS" in offered
            assert not any(line.startswith("AUTH") for line in offered)
            assert (await client.login(IVANOV)).startswith("530 5.7.0 Give STARTTLS first")
            await client.start_tls()
            await client.expect(f"MAIL FROM:<{IVANOV}>", "503 5.5.1 Say EHLO first")
            offered = await client.ehlo()
            assert "STARTTLS" not in offered
            assert any(line.startswith("AUTH ") for line in offered)
            await client.expect("STARTTLS", "503 ")
            assert (await client.login(IVANOV)).startswith("235 ")
            assert (await client.mail(IVANOV, PETROVA)).startswith("250 ")
        async with Client(world, "submissions", secure=True) as client:
            await client.ehlo()
            assert (await client.login(IVANOV)).startswith("235 ")
            assert (await client.mail(IVANOV, PETROVA)).startswith("250 ")
        first, second = await inbox(world, PETROVA)
        assert b" with ESMTPSA id " in first and b" with ESMTPSA id " in second


async def test_nothing_is_injected_before_tls(world: World) -> None:
    """RFC 3207 §4.2, CVE-2011-0411: what came in clear text behind STARTTLS is not run under TLS."""
    async with Client(world) as client:
        await client.ehlo()
        client.write(b"STARTTLS\r\nMAIL FROM:<injected@x.example>\r\n")
        assert (await client.reply()).startswith("503 5.5.1 Nothing may follow STARTTLS")
        assert await client.reply() == ""


async def test_the_mx_port_has_starttls_too(world: World) -> None:
    async with Client(world) as client:
        await client.expect("STARTTLS now", "503 5.5.1 Say EHLO first")
        await client.ehlo()
        await client.expect("STARTTLS now", "501 5.5.4 ")
        await client.start_tls()
        await client.ehlo()
        assert (await client.mail("a@b.example", PETROVA)).startswith("250 ")
    [message] = await inbox(world, PETROVA)
    assert b" with ESMTPS id " in message
    assert HOSTNAME.encode() in message
