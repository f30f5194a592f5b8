# SPDX-License-Identifier: Apache-2.0
"""A real HAProxy in front: throttle, log and Received: know the client, health checks pass, TLS is ours."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.world import HOST, HOSTNAME, IVANOV, PASSWORD, World

pytestmark = pytest.mark.peer

WAIT = 30.0
BALANCER = "127.0.0.2"
SERVICES = ("smtp", "submissions", "imaps", "imap", "xmpps", "https")
CONFIG = """\
global
    stats socket {path}/stats
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
    default-server inter 200ms fall 2 rise 2 check check-send-proxy source {balancer}
"""
# One of each version; both with health checks.
LISTEN = """\
listen {name}
    bind {host}:{port}
    server armgs {host}:{target} {version}
"""
VERSIONS = {"imap": "send-proxy", "smtp": "send-proxy"}
XMPP_HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='digital.example' version='1.0' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Balancer:
    """HAProxy before a world; `connect` comes from an address of one's choice."""

    def __init__(self, world: World, path: Path) -> None:
        self.world = world
        self.path = path
        self.ports: dict[str, int] = {}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        text = CONFIG.format(path=self.path, balancer=BALANCER)
        with ExitStack() as held:
            for name in SERVICES:
                sock = held.enter_context(socket.socket())
                sock.bind((HOST, 0))
                self.ports[name] = sock.getsockname()[1]
                version = VERSIONS.get(name, "send-proxy-v2")
                target = self.world.ports[name]
                port = self.ports[name]
                text += LISTEN.format(name=name, host=HOST, port=port, target=target, version=version)
        (self.path / "haproxy.cfg").write_text(text)
        self._process = await asyncio.create_subprocess_exec(
            "/usr/sbin/haproxy", "-db", "-f", str(self.path / "haproxy.cfg")
        )
        async with asyncio.timeout(WAIT):
            while await self.states() != {name: "UP" for name in SERVICES}:
                assert self._process.returncode is None
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def states(self) -> dict[str, str]:
        """What the health checks say of each service, after at least one of them."""
        try:
            reader, writer = await asyncio.open_unix_connection(self.path / "stats")
        except (FileNotFoundError, ConnectionRefusedError):
            return {}
        writer.write(b"show stat\n")
        lines = (await reader.read()).decode().splitlines()
        writer.close()
        names = lines[0].removeprefix("# ").split(",")
        rows = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:] if line]
        servers = [row for row in rows if row["svname"] == "armgs" and row["check_status"] == "L4OK"]
        return {row["pxname"]: row["status"] for row in servers}

    async def connect(self, name: str, address: str, *, secure: bool = True) -> Connection:
        context = self.world.client_context() if secure else None
        return await asyncio.open_connection(
            HOST,
            self.ports[name],
            local_addr=(address, 0),
            ssl=context,
            server_hostname=HOSTNAME if secure else None,
        )


@pytest.fixture
async def balancer(tmp_path: Path, debian: Callable[..., None]) -> AsyncIterator[Balancer]:
    debian("haproxy")
    settings = {
        "server": {"proxy_hosts": (BALANCER,)},
        "security": {"login_failures": 1000, "login_failures_address": 3},
    }
    async with World(tmp_path, process=True, settings=settings) as world:
        balancer = Balancer(world, tmp_path)
        try:
            await balancer.start()
            yield balancer
        finally:
            await balancer.stop()


async def talk(connection: Connection, *steps: tuple[str, bytes]) -> bytes:
    """Sends each text and reads until the answer has that in it; the last answer."""
    reader, writer = connection
    answer = b""
    for text, expected in steps:
        writer.write(text.encode())
        answer = b""
        while expected not in answer:
            piece = await asyncio.wait_for(reader.read(4096), WAIT)
            assert piece, answer
            answer += piece
    writer.close()
    return answer


def plain(password: str) -> str:
    return base64.b64encode(f"\0{IVANOV}\0{password}".encode()).decode()


async def log_in(balancer: Balancer, service: str, address: str, password: str) -> bytes:
    """What a log-in by that service is answered."""
    connection = await balancer.connect(service, address, secure=service != "imap")
    if service in ("imaps", "imap"):
        return await talk(connection, (f"a LOGIN {IVANOV} {password}\r\n", b"\r\na "))
    if service == "submissions":
        steps = (("", b"220 "), ("EHLO x\r\n", b"250 "), (f"AUTH PLAIN {plain(password)}\r\n", b"\r\n"))
        return await talk(connection, *steps)
    if service == "xmpps":
        auth = f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain(password)}</auth>"
        return await talk(connection, (XMPP_HEADER, b"</stream:features>"), (auth, b">"))
    credentials = base64.b64encode(f"{IVANOV}:{password}".encode()).decode()
    head = "PROPFIND /dav/ HTTP/1.1\r\nHost: localhost\r\nDepth: 0\r\nContent-Length: 0\r\n"
    return await talk(connection, (f"{head}Authorization: Basic {credentials}\r\n\r\n", b"\r\n"))


SUCCESS = {
    "imaps": b"a OK",
    "imap": b"a OK",
    "submissions": b"235 ",
    "xmpps": b"<success",
    "https": b"HTTP/1.1 207",
}


async def test_throttle_and_log_know_the_client_of_every_service(balancer: Balancer) -> None:
    for number, (service, success) in enumerate(SUCCESS.items()):
        guesser, colleague = f"127.0.0.{31 + number}", f"127.0.0.{41 + number}"
        for attempt in range(5):
            answer = await log_in(balancer, service, guesser, f"wrong-{service}-{attempt}")
            assert success not in answer
        name = {"imaps": "imap", "submissions": "smtp", "xmpps": "xmpp", "https": "dav"}.get(service, service)
        assert (
            f'event="log-in throttled" service={name} peer={guesser}' in balancer.world.log_file.read_text()
        )
        assert success not in await log_in(balancer, service, guesser, PASSWORD)
        assert success in await log_in(balancer, service, colleague, PASSWORD), "through the same balancer"


async def test_received_names_the_client(balancer: Balancer) -> None:
    steps = (
        ("", b"220 "),
        ("EHLO mail.example\r\n", b"250 "),
        ("MAIL FROM:<a@mail.example>\r\n", b"250 "),
        (f"RCPT TO:<{IVANOV}>\r\n", b"250 "),
        ("DATA\r\n", b"354 "),
        ("From: a@mail.example\r\nSubject: hello\r\n\r\nx\r\n.\r\n", b"250 "),
    )
    await talk(await balancer.connect("smtp", "127.0.0.51", secure=False), *steps)
    found = await talk(
        await balancer.connect("imaps", "127.0.0.52"),
        ("", b"* OK"),
        (f"a LOGIN {IVANOV} {PASSWORD}\r\n", b"a OK"),
        ("b SELECT INBOX\r\n", b"b OK"),
        ("c FETCH 1 BODY[HEADER.FIELDS (Received)]\r\n", b"c OK"),
    )
    assert b"[127.0.0.51]" in found


async def test_who_comes_past_the_balancer_is_not_believed(balancer: Balancer) -> None:
    reader, writer = await balancer.world.connect("imap")
    writer.write(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 143\r\n")
    assert (await reader.readline()).startswith(b"* OK")
    assert b" BAD " in await reader.readline()
    writer.close()
