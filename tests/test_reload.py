# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: what the file says counts in every worker, for connections that are there, and none is ended."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from armgs_server import config as configuration
from armgs_server.config import Config, SmtpSettings, TlsSettings
from armgs_server.errors import Invalid
from armgs_server.reload import check
from tests.test_daemon import log_line
from tests.test_supervisor import children, log_in, one_on_each
from tests.world import World

WAIT = 30.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, process=True, settings={"server": {"workers": 2}}) as world:
        yield world


async def reload(world: World, *lines: str, says: str) -> None:
    """Writes the file anew, its last sections being `lines`, and waits for what the log says of it."""
    head = world.config_file.read_text().partition("# changed\n")[0]
    world.config_file.write_text("\n".join([f"{head}# changed", *lines, ""]))
    os.kill(world.pid, signal.SIGHUP)
    await log_line(world, says)


def takes(client: IMAPClient, size: int) -> bool:
    """Whether the session, wherever it is, takes a message of that size now."""
    try:
        client.append("Drafts", b"Subject: size\r\n\r\n" + b"x" * size)
    except IMAPClientError as error:
        assert "TOOBIG" in str(error)
        return False
    return True


async def test_a_limit_changes_in_every_worker_under_its_connections(world: World) -> None:
    def until_refused(clients: list[IMAPClient]) -> None:
        deadline = time.monotonic() + WAIT
        for client in clients:
            while takes(client, 80_000):  # the log line is the supervisor's, workers follow
                assert time.monotonic() < deadline

    clients = list((await asyncio.to_thread(one_on_each, world)).values())
    before = children(world.pid)
    assert all([await asyncio.to_thread(takes, client, 80_000) for client in clients])
    lines = ("[imap]", "message_size = 70000", "[xmpp]", "process_timeout = 20")
    await reload(world, *lines, says="changed=imap.message_size needs_restart=xmpp.process_timeout")
    await asyncio.to_thread(until_refused, clients)
    await reload(world, "[imap]", "message_size = 1", says="imap.message_size must be at least 65536, not 1")
    await reload(
        world, "[imap]", "message_size = 65536", "[smtp]", 'relay_routes = ["x"]', says="relay_routes"
    )
    await reload(world, "[tls]", 'certificate = "tls/none.crt"', says="none.crt")
    for client in clients:
        assert not await asyncio.to_thread(takes, client, 80_000), "what was wrong has changed nothing"
    assert world.log_file.read_text().count("reload refused, nothing was changed") == 3
    victim = before[0]
    os.kill(victim, signal.SIGKILL)  # its replacement has what the others have
    async with asyncio.timeout(WAIT):
        while victim in children(world.pid) or len(children(world.pid)) < 2:
            await asyncio.sleep(0.05)
    for client in (await asyncio.to_thread(one_on_each, world)).values():
        assert not await asyncio.to_thread(takes, client, 80_000)
        await asyncio.to_thread(client.logout)


async def test_a_replacement_does_not_take_up_what_waits_for_a_restart(world: World) -> None:
    """A new port in the file, and then a worker that dies: the new one serves where the sockets are."""
    offset = world.config.server.port_offset
    text = world.config_file.read_text().replace(f"port_offset = {offset}", f"port_offset = {offset + 1}")
    world.config_file.write_text(text)
    before = children(world.pid)
    for victim in before:
        os.kill(victim, signal.SIGKILL)
    async with asyncio.timeout(WAIT):
        while len(set(children(world.pid)) - set(before)) < 2:
            await asyncio.sleep(0.05)
    client = await asyncio.to_thread(log_in, world)
    assert await asyncio.to_thread(client.noop)
    await asyncio.to_thread(client.logout)


async def test_log_and_clear_text_follow_the_file(tmp_path: Path) -> None:
    async with World(tmp_path, process=True) as world:
        reader, writer = await world.connect("imap")
        await reader.readline()
        text = world.config_file.read_text().replace("allow_plaintext = true", "allow_plaintext = false")
        world.config_file.write_text(text)
        await reload(world, "[log]", 'trace = ["imap"]', says="security.allow_plaintext,log.trace")
        writer.write(b"a1 CAPABILITY\r\n")
        assert b"LOGINDISABLED" in await reader.readline()
        other, _ = await world.connect("imap")
        await other.readline()
        await log_line(world, "event=> service=imap")
        request, asking = await world.connect("http")
        asking.write(b"GET /dav/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(request.read(), WAIT)).startswith(b"HTTP/1.1 308 ")


def test_what_only_a_service_knows_is_checked(tmp_path: Path) -> None:
    check(Config(tmp_path, tls=TlsSettings(certificate="")))
    for smtp in (SmtpSettings(relay_routes=("x",)), SmtpSettings(relay_host="relay.example:99999")):
        with pytest.raises(Invalid):
            check(Config(tmp_path, tls=TlsSettings(certificate=""), smtp=smtp))
    with pytest.raises(Invalid, match=r"server\.crt"):
        check(Config(tmp_path))


def test_adopted_values_are_seen_by_who_keeps_a_section(tmp_path: Path) -> None:
    live, loaded = (
        Config(tmp_path),
        configuration.parse(
            {"imap": {"errors": 7}, "store": {"url": "postgresql://x"}, "http": {"keep_alive": 120}}, tmp_path
        ),
    )
    kept = live.imap
    assert configuration.adopt(live, loaded) == (["imap.errors"], ["store.url"])
    assert (kept.errors, live.store.url) == (7, "sqlite")
    assert Config(tmp_path).imap.errors == 50, "the defaults are nobody's to change"
    assert configuration.parse(tomllib.loads(configuration.differences(live)), tmp_path) == live
    assert configuration.differences(loaded).count("=") == 2
