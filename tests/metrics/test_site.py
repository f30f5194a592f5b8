# SPDX-License-Identifier: Apache-2.0
"""Figures and connections as they are read from a running daemon, of one process and of two workers."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest

from armgs_server.config import Config, MetricsSettings, parse
from armgs_server.errors import Invalid
from armgs_server.metrics import site
from armgs_server.metrics.inquiry import Answering, Asking, What
from armgs_server.metrics.site import SOCKET, bind_unix, check
from armgs_server.storage.bus import LocalBus
from tests.metrics.test_exposition import values
from tests.world import IVANOV, PASSWORD, World


async def get(path: Path, target: str, head: bytes = b"") -> tuple[bytes, bytes]:
    """The status line and the content of an answer on a Unix socket."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(head or b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % target.encode())
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    first, _, content = answer.partition(b"\r\n\r\n")
    return first.partition(b"\r\n")[0], content


async def log_in(world: World) -> asyncio.StreamWriter:
    reader, writer = await world.connect("imap")
    await reader.readline()
    writer.write(f'a LOGIN {IVANOV} {PASSWORD}\r\nb LIST "" *\r\n'.encode())
    while not (line := await asyncio.wait_for(reader.readline(), 30)).startswith(b"b "):
        assert line
    return writer


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_daemon(tmp_path: Path, workers: int) -> None:
    """What one client does shows in the sum; its name shows to the daemon's own user only."""
    place = tmp_path / "figures"
    settings = {"server": {"workers": workers}, "metrics": {"listen": (str(place),)}}
    async with World(tmp_path, process=True, settings=settings) as world:
        own = world.path / "data" / SOCKET
        assert stat.S_IMODE(own.stat().st_mode) == 0o600
        client = await log_in(world)
        status, page = await get(place, "/metrics")
        assert status == b"HTTP/1.1 200 OK"
        found = values(page)
        assert found["armgs_workers",] == workers
        assert found["armgs_connections", "imap"] == 1
        assert found["armgs_logins_total", "imap", "ok"] == 1
        assert found["armgs_operation_seconds_count", "LIST", "imap"] == 1
        assert found["armgs_queue_messages",] == 0
        assert found["armgs_store_seconds_count", "write"] > 0
        _, content = await get(own, "/connections")
        [connection] = json.loads(content)
        assert (connection["service"], connection["account"]) == ("imap", IVANOV)
        assert IVANOV.encode() not in page
        status, _ = await get(place, "/connections")
        assert status == b"HTTP/1.1 404 Not Found"
        client.close()
    assert not own.exists()


async def test_requests_that_are_none(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        own = world.path / "data" / SOCKET
        assert (await get(own, "", b"POST /metrics HTTP/1.1\r\n\r\n"))[0].endswith(b"405 Method Not Allowed")
        assert (await get(own, "", b"HEAD /metrics HTTP/1.0\r\n\r\n")) == (b"HTTP/1.1 200 OK", b"")
        assert (await get(own, "/metrics?x=1"))[1].startswith(b"# HELP armgs_info")
        assert (await get(own, "/../metrics"))[0].endswith(b"404 Not Found")
        assert await get(own, "", b"\xff" * 3 + b"\r\n\r\n") == (b"HTTP/1.1 404 Not Found", b"Not found\n")
        assert await get(own, "", b"GET " + b"x" * 20000 + b"\r\n\r\n") == (b"", b"")


async def test_who_says_nothing_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "PATIENCE", 0.05)
    async with World(tmp_path, settings={"metrics": {"timeout": 0.1}}) as world:
        reader, writer = await asyncio.open_unix_connection(str(world.path / "data" / SOCKET))
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()


async def test_a_worker_that_does_not_answer_is_left_out() -> None:
    bus = LocalBus()

    async def tell(what: What) -> str:
        return what

    answering = Answering(bus, tell)
    answering.start()
    assert await Asking(bus, lambda: 2, lambda: 0.05)("figures") == ["figures"]
    assert await Asking(bus, lambda: 1, lambda: 30)("connections") == ["connections"]
    answering.stop()
    assert await Asking(bus, lambda: 1, lambda: 0.05)("figures") == []


def test_a_socket_in_a_deep_folder_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True)
    bind_unix(folder / SOCKET).close()
    bind_unix(folder / SOCKET).close()
    assert stat.S_ISSOCK((folder / SOCKET).stat().st_mode)


@pytest.mark.parametrize("place", ["9464", "localhost:", "localhost:http", ":9464", "localhost:70000"])
def test_settings_that_are_wrong(place: str) -> None:
    with pytest.raises(Invalid, match="HOST:PORT"):
        check(config(place))


def test_settings_that_are_right() -> None:
    for place in ("127.0.0.1:9464", "[::1]:9464", "/run/armgs/metrics.sock"):
        check(config(place))
    assert config("[::1]:9464").metrics == MetricsSettings(listen=("[::1]:9464",))


def config(place: str) -> Config:
    return parse({"metrics": {"listen": [place]}}, Path("/nowhere"))
