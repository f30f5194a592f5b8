# SPDX-License-Identifier: Apache-2.0
"""coturn of Debian, with etc/coturn/turnserver.conf: media is relayed with the password we hand out."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.world import HOST, IVANOV, World
from tests.xmpp.client import Client

pytestmark = pytest.mark.peer

CONFIGURATION = Path(__file__).parents[2] / "etc" / "coturn" / "turnserver.conf"
SECRET = "0123456789abcdef0123456789abcdef"
EXTDISCO = "{urn:xmpp:extdisco:2}"
TIMEOUT = 60.0
CHANGED = {
    "static-auth-secret": SECRET,
    "cert": None,
    "pkey": None,
    "denied-peer-ip": None,  # here both ends are at home
    "syslog": None,
}


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def configuration(port: int) -> str:
    """Our file, with the test's secret, address and port."""
    lines = [
        f"listening-ip={HOST}",
        f"listening-port={port}",
        "allow-loopback-peers",
        "no-tls",
        "no-dtls",
        "log-file=stdout",
        "simple-log",
    ]
    for line in CONFIGURATION.read_text().splitlines():
        name = line.partition("=")[0]
        if name in CHANGED:
            lines += [f"{name}={CHANGED[name]}"] if CHANGED[name] else []
        elif not name.endswith("listening-port"):
            lines.append(line)
    return "\n".join(lines) + "\n"


@asynccontextmanager
async def coturn(path: Path, port: int) -> AsyncIterator[None]:
    (path / "turnserver.conf").write_text(configuration(port))
    process = await asyncio.create_subprocess_exec(
        "turnserver",
        *("-c", str(path / "turnserver.conf"), "--pidfile", str(path / "pid"), "--userdb", str(path / "db")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    reading = asyncio.create_task(process.stdout.read())
    try:
        async with asyncio.timeout(TIMEOUT):
            await answering(port)
        yield
    finally:
        process.terminate()
        await process.wait()
        output = (await reading).decode(errors="replace")
    assert "Bad configuration" not in output, output


async def answering(port: int) -> None:
    """Returns when it answers STUN's Binding request (RFC 8489 §5)."""
    request = struct.pack(">HHI12s", 1, 0, 0x2112A442, b"are you here")
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect((HOST, port))
        while True:
            try:
                await loop.sock_sendall(client, request)
                await asyncio.wait_for(loop.sock_recv(client, 2048), 0.5)
            except (ConnectionRefusedError, TimeoutError):
                await asyncio.sleep(0.1)
            else:
                return


async def relay(port: int, username: str, password: str) -> tuple[int | None, str]:
    """Two allocations, and data from one through the other."""
    process = await asyncio.create_subprocess_exec(
        "turnutils_uclient",
        *("-u", username, "-w", password, "-p", str(port), "-y", "-n", "5", "-m", "1", "-c", HOST),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), TIMEOUT)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output.decode(errors="replace")


async def test_data_is_relayed_with_the_password_of_the_moment(
    tmp_path: Path, debian: Callable[..., None]
) -> None:
    debian("coturn")
    port = free_port()
    (tmp_path / "turn.secret").write_text(SECRET + "\n")
    settings = {
        "xmpp": {
            "call_services": [f"turn:{HOST}:{port}?transport=udp"],
            "turn_secret": str(tmp_path / "turn.secret"),
        }
    }
    async with coturn(tmp_path, port), World(tmp_path, settings=settings) as world:
        async with Client(world, IVANOV) as ivanov:
            await ivanov.log_in()
            answer = await ivanov.iq("<services xmlns='urn:xmpp:extdisco:2'/>", to="digital.example")
        service = answer.find(f"{EXTDISCO}services/{EXTDISCO}service")
        assert service is not None
        username, password = service.get("username", ""), service.get("password", "")
        code, output = await relay(port, username, password)
        assert code == 0, output
        assert "tot_send_msgs=10, tot_recv_msgs=10" in output, output
        expired = f"{int(username.partition(':')[0]) - 1}:1"
        code, output = await relay(port, expired, password)
        assert code != 0, output
