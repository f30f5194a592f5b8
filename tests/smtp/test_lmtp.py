# SPDX-License-Identifier: Apache-2.0
"""LMTP (RFC 2033): other greeting, a reply for each recipient, no queue behind it."""

from __future__ import annotations

import asyncio
import smtplib
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from armgs_server.config import Config
from armgs_server.net.sockets import by_port
from armgs_server.storage import accounts, queue
from armgs_server.unix_socket import bind_unix
from tests.smtp.client import Client, inbox
from tests.world import IVANOV, PETROVA, World

TEXT = b"From: x@y.example\r\nSubject: Hello\r\n\r\nbody\r\n"


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"smtp": {"lmtp_hosts": ["127.0.0.1"]}}) as world:
        world.ports["lmtp"] = world.config.port(24)
        yield world


async def fill(world: World, address: str) -> None:
    person = await world.directory.by_address(address)
    assert person is not None
    await world.store.write(lambda tx: accounts.set_quota(tx, person.id, 1))


async def test_each_recipient_has_a_reply(local: World) -> None:
    await fill(local, IVANOV)
    async with Client(local, "lmtp") as client:
        assert client.greeting == "220 localhost LMTP ready"
        await client.expect("EHLO mx.example", "500 5.5.1 ")
        assert "PIPELINING" in await client.expect("LHLO mx.example", "250-")
        await client.expect("MAIL FROM:<a@b.example>", "250 2.1.0 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 2.1.5 ")
        await client.expect("RCPT TO:<nobody@digital.example>", "550 5.1.1 ")
        await client.expect("RCPT TO:<x@other.example>", "550 5.7.1 ")
        await client.expect("RCPT TO:<sidorov@finance.example>", "250 2.1.5 ")
        await local.store.write(lambda tx: tx.execute("UPDATE account SET quota = 0"))
        await client.expect(f"RCPT TO:<{IVANOV}>", "250 2.1.5 ")
        await fill(local, IVANOV)
        assert (await client.send_text(TEXT)).startswith("250 2.0.0 ")
        assert (await client.reply()).startswith("250 2.0.0 ")
        assert (await client.reply()).startswith("452 4.2.2 ")
    [message] = await inbox(local, PETROVA)
    assert b"\tby localhost with LMTP id " in message
    assert await inbox(local, IVANOV) == []
    assert await local.store.read(lambda tx: queue.scan(tx)) == []


async def test_when_nobody_can_take_it(local: World) -> None:
    async with Client(local, "lmtp") as client:
        await client.expect("LHLO mx.example", "250-")
        await client.expect("MAIL FROM:<a@b.example>", "250 2.1.0 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 2.1.5 ")
        await client.expect(f"RCPT TO:<{IVANOV}>", "250 2.1.5 ")
        await fill(local, PETROVA)
        await fill(local, IVANOV)
        assert (await client.send_text(TEXT)).startswith("452 4.2.2 ")
        assert (await client.reply()).startswith("452 4.2.2 ")


async def test_other_hosts_are_refused(local: World) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", local.ports["lmtp"], local_addr=("127.0.0.2", 0)
    )
    assert (await reader.readline()).startswith(b"550 5.7.1 ")
    assert await reader.read() == b""
    writer.close()


async def test_lhlo_is_not_for_smtp(local: World) -> None:
    async with Client(local) as client:
        await client.expect("LHLO mx.example", "500 5.5.1 ")


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_mail_server_of_this_host_delivers_by_a_unix_socket(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "lmtp.sock"
    settings: dict[str, dict[str, Any]] = {
        "smtp": {"lmtp_socket": str(path)},
        "server": {"workers": workers, "proxy_hosts": ["127.0.0.1"]},  # no balancer is on a Unix socket
    }
    async with World(tmp_path / "world", process=True, settings=settings) as world:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with pytest.raises(OSError):  # nobody has asked for the port
            await asyncio.open_connection("127.0.0.1", world.config.port(24))
        for _ in range(4):
            assert "250 2.0.0 Message taken" in await asyncio.to_thread(deliver, path)
        await world.restart()  # what a daemon has left there is replaced
        assert "250 2.0.0 Message taken" in await asyncio.to_thread(deliver, path)


def deliver(path: Path) -> str:
    """As smtplib does it, which Postfix and others do in the same way; the reply to the text."""
    with smtplib.LMTP(str(path), timeout=20) as client:
        assert client.ehlo("mx.example")[0] == 250  # LHLO
        assert client.mail("a@b.example")[0] == 250
        assert client.rcpt(PETROVA)[0] == 250
        code, text = client.data(TEXT)
        return f"{code} {text.decode()}"


def test_a_socket_that_systemd_has_made(tmp_path: Path) -> None:
    with bind_unix(tmp_path / "lmtp.sock") as sock:
        assert by_port([("lmtp", sock)], Config(tmp_path)) == {24: [sock]}
