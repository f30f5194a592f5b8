# SPDX-License-Identifier: Apache-2.0
"""A real Postfix, both ways: verified STARTTLS, pipelining and DSN towards it, LMTP from it."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from armgs_server.net.certificates import make_certificates
from tests.smtp.client import Client, wait_for_mail
from tests.smtp.sink import Sink, running_sink
from tests.trust.filter_servers import free_port, postfix
from tests.world import IVANOV, PETROVA, World

pytestmark = pytest.mark.peer
Debian = Callable[..., None]
RUSSIAN = "Привет из отдела\r\n.строка\r\n"


async def test_postfix_takes_it_under_tls_and_reports_by_lmtp(debian: Debian, tmp_path: Path) -> None:
    debian("postfix")
    make_certificates(tmp_path / "theirs", "localhost", ["other.example"])
    for name in ("theirs", "theirs/server.crt", "theirs/server.key"):
        (tmp_path / name).chmod(0o755)
    port = free_port()
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(running_sink(Sink()))
        settings = {
            "smtp": {
                "relay_routes": [f"verified.example=localhost:{port}"],
                "relay_tls": "required",
                "relay_ca": str(tmp_path / "theirs" / "ca.crt"),
                "lmtp_hosts": ["127.0.0.1"],
            }
        }
        world = await stack.enter_async_context(World(tmp_path, settings=settings))
        routes = {
            "verified.example": sink.port,
            "digital.example": f"lmtp:inet:127.0.0.1:{world.config.port(24)}",
        }
        tls = (
            f"smtpd_tls_cert_file = {tmp_path}/theirs/server.crt\n"
            f"smtpd_tls_key_file = {tmp_path}/theirs/server.key\n"
            "smtpd_tls_security_level = encrypt\nsmtp_tls_security_level = none\n"
        )
        await stack.enter_async_context(postfix(port, "", routes, tls))
        async with Client(world, "submission") as client:
            await client.ehlo()
            await client.login(IVANOV)
            await client.expect(f"MAIL FROM:<{IVANOV}> BODY=8BITMIME RET=HDRS ENVID=q1", "250 ")
            await client.expect("RCPT TO:<bob@verified.example> NOTIFY=SUCCESS", "250 ")
            text = f"From: {IVANOV}\r\nSubject: both ways\r\n\r\n{RUSSIAN}"
            await client.expect("DATA", "354 ")
            client.write(text.replace("\r\n.", "\r\n..").encode() + b".\r\n")
            assert (await client.reply()).startswith("250 ")
        await sink.wait()
        [report] = await wait_for_mail(world, IVANOV)
    [envelope] = sink.messages
    assert isinstance(envelope.content, bytes)
    assert envelope.content.endswith(RUSSIAN.encode())
    assert b"using TLSv1.3" in envelope.content or b"(Postfix) with ESMTPS" in envelope.content
    parsed = email.message_from_bytes(report, policy=email.policy.default)
    assert parsed.get_content_type() == "multipart/report"
    assert b"Original-Envelope-Id: q1\n" in report.replace(b"\r\n", b"\n")
    assert b"Action: relayed" in report
    assert b"\tby localhost with LMTP id " in report


async def test_postfix_delivers_by_lmtp(debian: Debian, tmp_path: Path) -> None:
    debian("postfix", "swaks")
    port = free_port()
    async with World(tmp_path, settings={"smtp": {"lmtp_hosts": ["127.0.0.1"]}}) as world:
        routes = {"digital.example": f"lmtp:inet:127.0.0.1:{world.config.port(24)}"}
        async with postfix(port, "", routes, "smtp_tls_security_level = none\n"):
            world.ports["postfix"] = port
            async with Client(world, "postfix") as client:
                await client.ehlo()
                answer = await client.mail(
                    "bob@other.example", PETROVA, IVANOV, text=b"Subject: by LMTP\r\n\r\nbody\r\n"
                )
                assert answer.startswith("250 ")
            for address in (PETROVA, IVANOV):
                [message] = await wait_for_mail(world, address)
                assert b"Subject: by LMTP\r\n" in message
