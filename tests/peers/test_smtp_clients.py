# SPDX-License-Identifier: Apache-2.0
"""Submission and delivery by clients people use: swaks, curl, Postfix's smtp-source, Python's smtplib."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.smtp.client import inbox
from tests.smtp.sink import Sink, running_sink
from tests.world import HOST, HOSTNAME, IVANOV, PASSWORD, PETROVA, World

pytestmark = pytest.mark.peer
Debian = Callable[..., None]
TIMEOUT = 60.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """As in real life: nobody logs in without TLS."""
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        yield world


async def run(*command: str, expect: int = 0) -> str:
    """Runs a client to its end; what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(TIMEOUT):
        output, _ = await process.communicate()
    text = output.decode(errors="replace")
    assert process.returncode == expect, f"{command[0]} ended with {process.returncode}:\n{text}"
    return text


def swaks(world: World, service: str, *options: str) -> tuple[str, ...]:
    return (
        "swaks",
        *("--server", f"{HOSTNAME}:{world.ports[service]}", "--ehlo", "client.example"),
        *("--from", IVANOV, "--to", PETROVA, *options),
    )


def with_password(mechanism: str) -> tuple[str, ...]:
    return ("--auth", mechanism, "--auth-user", IVANOV, "--auth-password", PASSWORD)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_swaks_submits_with_starttls(world: World, debian: Debian, mechanism: str) -> None:
    debian("swaks", "libnet-ssleay-perl")
    trust = ("--tls-verify", "--tls-ca-path", str(world.ca))
    output = await run(*swaks(world, "submission", "--tls", *trust, *with_password(mechanism)))
    assert "=== TLS started" in output
    [message] = await inbox(world, PETROVA)
    assert b"This is a test mailing" in message
    assert b" with ESMTPSA id " in message


async def test_swaks_submits_on_465(world: World, debian: Debian) -> None:
    debian("swaks", "libnet-ssleay-perl")
    await run(*swaks(world, "submissions", "--tls-on-connect", *with_password("PLAIN")))
    assert len(await inbox(world, PETROVA)) == 1


async def test_swaks_delivers_on_25_with_an_attachment(world: World, debian: Debian, tmp_path: Path) -> None:
    debian("swaks")
    attachment = tmp_path / "report.bin"
    attachment.write_bytes(bytes(range(256)) * 4000)
    options = ("--attach-type", "application/octet-stream", "--attach", f"@{attachment}", "--pipeline")
    await run(*swaks(world, "smtp", *options, "--protocol", "ESMTP"))
    [message] = await inbox(world, PETROVA)
    assert len(message) > 1_300_000


@pytest.mark.parametrize(
    ("service", "options", "status", "answer"),
    [
        (
            "submission",
            ("--tls", "--auth", "PLAIN", "--auth-user", IVANOV, "--auth-password", "no"),
            28,
            "535",
        ),
        ("submission", (), 23, "530 5.7.0"),
        ("smtp", ("--to", "somebody@other.example"), 24, "550 5.7.1"),
        ("smtp", ("--to", "nobody@digital.example"), 24, "550 5.1.1"),
    ],
)
async def test_swaks_is_refused(
    world: World, debian: Debian, service: str, options: tuple[str, ...], status: int, answer: str
) -> None:
    debian("swaks", "libnet-ssleay-perl")
    output = await run(*swaks(world, service, *options), expect=status)
    assert answer in output
    assert await inbox(world, PETROVA) == []


def curl(world: World, service: str, scheme: str, file: Path, *options: str) -> tuple[str, ...]:
    return (
        *("curl", "--silent", "--show-error", "--cacert", str(world.ca)),
        *("--url", f"{scheme}://{HOSTNAME}:{world.ports[service]}/client.example"),
        *("--mail-from", IVANOV, "--mail-rcpt", PETROVA, "--upload-file", str(file), *options),
    )


@pytest.mark.parametrize(
    ("service", "scheme", "options"),
    [
        ("submissions", "smtps", ()),
        ("submission", "smtp", ("--ssl-reqd",)),
        ("submission", "smtp", ("--ssl-reqd", "--login-options", "AUTH=LOGIN")),
    ],
)
async def test_curl_submits(
    world: World, debian: Debian, tmp_path: Path, service: str, scheme: str, options: tuple[str, ...]
) -> None:
    debian("curl")
    file = tmp_path / "message.eml"
    file.write_text(f"From: Иванов <{IVANOV}>\nSubject: curl\n\nПривет\n.\n..dots\n", newline="\n")
    await run(*curl(world, service, scheme, file, "--user", f"{IVANOV}:{PASSWORD}", *options))
    [message] = await inbox(world, PETROVA)
    # curl sends bare line feeds as they are, and one more line end where the file has no CRLF at its end.
    assert message.removesuffix(b"\r\n").endswith(
        f"From: Иванов <{IVANOV}>\r\nSubject: curl\r\n\r\nПривет\r\n.\r\n..dots\r\n".encode()
    )


async def test_curl_may_not_forge_from(world: World, debian: Debian, tmp_path: Path) -> None:
    debian("curl")
    file = tmp_path / "message.eml"
    file.write_bytes(f"From: {PETROVA}\r\nSubject: x\r\n\r\nx\r\n".encode())
    login = ("--user", f"{IVANOV}:{PASSWORD}")
    output = await run(*curl(world, "submissions", "smtps", file, "--verbose", *login), expect=8)
    assert "< 554 5.7.1" in output
    assert await inbox(world, PETROVA) == []


async def test_smtplib_with_utf8(world: World) -> None:
    """The standard library's client, as scripts use it."""
    await world.directory.create_person("почта@digital.example")

    def submit() -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP(HOSTNAME, world.ports["submission"], timeout=TIMEOUT) as client:
            client.starttls(context=world.client_context())
            client.login(IVANOV, PASSWORD)
            text = f"From: {IVANOV}\r\nTo: почта@digital.example\r\nSubject: Привет\r\n\r\n.\r\n".encode()
            return client.sendmail(IVANOV, ["почта@digital.example"], text, ["SMTPUTF8", "BODY=8BITMIME"])

    assert await asyncio.to_thread(submit) == {}
    [message] = await inbox(world, "почта@digital.example")
    assert message.endswith("Subject: Привет\r\n\r\n.\r\n".encode())


async def test_smtp_source_delivers_in_bulk(world: World, debian: Debian) -> None:
    debian("postfix")
    await run(
        *("/usr/sbin/smtp-source", "-s", "10", "-m", "200", "-l", "5000", "-M", "client.example"),
        *("-f", "author@other.example", "-t", PETROVA, f"inet:{HOST}:{world.ports['smtp']}"),
    )
    assert len(await inbox(world, PETROVA)) == 200


async def test_swaks_speaks_lmtp_and_xclient(debian: Debian, tmp_path: Path) -> None:
    debian("swaks")
    trusted = {"smtp": {"lmtp_hosts": ["127.0.0.1"], "xclient_hosts": ["127.0.0.1"]}}
    async with World(tmp_path, settings=trusted) as world:
        world.ports["lmtp"] = world.config.port(24)
        await run(*swaks(world, "lmtp", "--protocol", "LMTP"))
        proxied = ("--xclient-addr", "192.0.2.7", "--from", "author@other.example")
        await run(*swaks(world, "smtp", *proxied))
        by_lmtp, by_proxy = await inbox(world, PETROVA)
    assert b"\tby localhost with LMTP id " in by_lmtp
    assert b"Received: from client.example ([192.0.2.7])\r\n" in by_proxy


async def test_relay_to_smtp_sink(debian: Debian, tmp_path: Path) -> None:
    """Through the queue to Postfix's sink, which speaks none of our own code."""
    debian("postfix")
    async with running_sink(Sink()) as free:
        port = free.port  # a port that was free a moment ago
    dump = tmp_path / "dump"
    sink = await asyncio.create_subprocess_exec(
        "/usr/sbin/smtp-sink", "-u", "root", "-D", str(dump), f"inet:{HOST}:{port}", "100"
    )
    try:
        routes = [f"other.example={HOST}:{port}"]
        async with World(tmp_path, settings={"smtp": {"relay_routes": routes}}) as world:
            await asyncio.to_thread(_submit, world, ["x@other.example", "y@other.example"])
            async with asyncio.timeout(TIMEOUT):
                while not dump.exists() or b"last line" not in dump.read_bytes():
                    await asyncio.sleep(0.05)
        kept = dump.read_bytes()
        assert f"X-Mail-Args: <{IVANOV}>".encode() in kept
        assert kept.count(b"X-Rcpt-Args: ") == 2
        assert b"Return-Path" not in kept
    finally:
        sink.terminate()
        await sink.wait()


def _submit(world: World, recipients: list[str]) -> None:
    with smtplib.SMTP(HOSTNAME, world.ports["submission"], timeout=TIMEOUT) as client:
        client.login(IVANOV, PASSWORD)
        client.sendmail(IVANOV, recipients, f"From: {IVANOV}\r\nSubject: x\r\n\r\nlast line\r\n")
