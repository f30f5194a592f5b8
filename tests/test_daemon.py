# SPDX-License-Identifier: Apache-2.0
"""The daemon as a whole: start, stop, reload, redirects."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from armgs_server.daemon import run
from armgs_server.net.certificates import make_certificates
from tests.world import DOMAINS, HOSTNAME, SERVE, World


async def request(world: World, service: str, text: bytes, *, secure: bool = False) -> bytes:
    reader, writer = await world.connect(service, secure=secure)
    writer.write(text)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


GET = b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def test_in_process_world_answers_on_both_http_ports(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        assert (await request(world, "http", GET)).startswith(b"HTTP/1.1 404 ")
        assert (await request(world, "https", GET, secure=True)).startswith(b"HTTP/1.1 404 ")


async def test_process_survives_kill_and_restart(tmp_path: Path) -> None:
    async with World(tmp_path, process=True) as world:
        assert (await request(world, "http", GET)).startswith(b"HTTP/1.1 404 ")
        await world.restart()
        assert (await request(world, "http", GET)).startswith(b"HTTP/1.1 404 ")


async def test_plain_port_redirects_where_plaintext_is_not_allowed(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        data = b"GET /dav/x?y HTTP/1.1\r\nHost: LOCALHOST:8080\r\nConnection: close\r\n\r\n"
        answer = await request(world, "http", data)
        assert answer.startswith(b"HTTP/1.1 308 Permanent Redirect\r\n")
        assert f"Location: https://LOCALHOST:{world.ports['https']}/dav/x?y\r\n".encode() in answer
        evil = b"GET //evil.example/ HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n"
        answer = await request(world, "http", evil)
        assert f"Location: https://localhost:{world.ports['https']}//evil".encode() in answer
        answer = await request(world, "http", GET.replace(b"/x", b"/ca.crt"))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_reload_takes_a_new_certificate_and_survives_a_bad_configuration(tmp_path: Path) -> None:
    async with World(tmp_path, process=True) as world:
        old_reader, old_writer = await world.connect("https", secure=True)
        first = old_writer.get_extra_info("ssl_object").getpeercert(True)
        make_certificates(world.path / "tls", HOSTNAME, DOMAINS)
        os.kill(world.pid, signal.SIGHUP)
        await log_line(world, "reloaded")
        _, writer = await world.connect("https", secure=True)
        second = writer.get_extra_info("ssl_object").getpeercert(True)
        writer.close()
        assert first != second
        old_writer.write(GET)
        assert (await asyncio.wait_for(old_reader.read(), 10)).startswith(b"HTTP/1.1 404 ")
        old_writer.close()
        good = world.config_file.read_text()
        world.config_file.write_text(good + "[http]\nkeep_alive = -1\n")
        os.kill(world.pid, signal.SIGHUP)
        await log_line(world, "http.keep_alive must be at least")
        world.config_file.write_text(good + "[http]\nkeep_alive = 5\n")
        os.kill(world.pid, signal.SIGHUP)
        await log_line(world, "changed=http.keep_alive needs_restart=nothing")
        assert (await request(world, "http", GET)).startswith(b"HTTP/1.1 404 ")


async def test_graceful_stop_exits_with_zero(tmp_path: Path) -> None:
    async with World(tmp_path, process=True) as world:
        reader, writer = await world.connect("http")
        child = world.child
        await world.stop()
        assert child.returncode == 0
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        assert "event=stopped" in world.log_file.read_text()


async def test_port_in_use_is_said_and_ends_the_start(tmp_path: Path) -> None:
    async with World(tmp_path, process=True) as world:
        config = world.config_file.with_name("other.toml")
        config.write_text(world.config_file.read_text().replace("[server]", '[server]\ndata_dir = "other"'))
        child = await asyncio.create_subprocess_exec(
            sys.executable, *SERVE, str(config), stderr=asyncio.subprocess.PIPE
        )
        _, errors = await asyncio.wait_for(child.communicate(), 30)
        assert child.returncode == 1
        assert b"cannot listen on 127.0.0.1 port" in errors


async def test_sockets_of_systemd_are_used_and_no_others(tmp_path: Path, debian: Callable[..., None]) -> None:
    debian("systemd")
    async with World(tmp_path, process=True) as world:
        await world.stop()
        child = await asyncio.create_subprocess_exec(
            "systemd-socket-activate",
            f"--listen=127.0.0.1:{world.ports['http']}",
            "--fdname=armgs",
            sys.executable,
            *SERVE,
            str(world.path),
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(90):
                while True:
                    try:
                        answer = await request(world, "http", GET)
                        break
                    except ConnectionRefusedError:
                        await asyncio.sleep(0.05)
            assert answer.startswith(b"HTTP/1.1 404 ")
            with pytest.raises(ConnectionRefusedError):
                await world.connect("https")
        finally:
            child.terminate()
            await child.wait()


def test_errors_before_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none.toml") == 2
    assert "No such file" in capsys.readouterr().err


async def log_line(world: World, text: str) -> None:
    async with asyncio.timeout(30):
        while text not in world.log_file.read_text():
            await asyncio.sleep(0.02)
