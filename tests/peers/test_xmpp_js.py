# SPDX-License-Identifier: Apache-2.0
"""@xmpp/client of npm on Node.js: over WebSocket, over TCP with STARTTLS, and over direct TLS."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import npm
from tests.world import HOSTNAME, IVANOV, PASSWORD, PETROVA, World
from tests.xmpp.client import Client, chat

pytestmark = pytest.mark.peer

PACKAGES = ("@xmpp/client@0.14.0", "ws@8.23.0")
SCRIPT = Path(__file__).parent / "node" / "chat.mjs"
AGAIN = SCRIPT.with_name("again.mjs")
TIMEOUT = 60.0


class Node:
    """The script beside this file, with the packages that it needs."""

    def __init__(self, world: World, service: str, folder: Path, script: Path = SCRIPT) -> None:
        local, _, domain = IVANOV.partition("@")
        self._arguments = (str(folder / script.name), service, domain, local, PASSWORD, PETROVA)
        self._world = world

    async def __aenter__(self) -> Node:
        self._process = await asyncio.create_subprocess_exec(
            "node",
            *self._arguments,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(self._world.ca)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def line(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(TIMEOUT):
            return (await self._process.stdout.readline()).decode().rstrip()

    def say(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())

    async def leave(self) -> int:
        """Says goodbye; its exit status."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(TIMEOUT):
            return await self._process.wait()


@pytest.mark.parametrize(
    ("scheme", "port", "path"),
    [("wss", "https", "/xmpp-websocket"), ("xmpp", "xmpp", ""), ("xmpps", "xmpps", "")],
)
async def test_node_talks_with_a_desk(
    tmp_path: Path, debian: Callable[..., None], scheme: str, port: str, path: str
) -> None:
    npm.need_node(debian)
    modules = npm.install("xmpp-client-ws", *PACKAGES)
    (tmp_path / "node_modules").symlink_to(modules / "node_modules")
    shutil.copy(SCRIPT, tmp_path)
    async with World(tmp_path) as world, Client(world, PETROVA, "desk") as petrova:
        await petrova.log_in()
        await petrova.go_online()
        async with Node(world, f"{scheme}://{HOSTNAME}:{world.ports[port]}{path}", tmp_path) as ivanov:
            online, address = (await ivanov.line()).split()
            assert online == "online"
            assert address.startswith(f"{IVANOV}/node/")  # Bind 2: the client's tag, and ours behind it
            ivanov.say("Добрый день")
            assert (await petrova.message("Добрый день")).get("from") == address
            petrova.send(chat(address, "И Вам"))
            assert await ivanov.line() == f"heard {petrova.full} И Вам"
            assert await ivanov.leave() == 0
            await petrova.presence_of(address, "unavailable")


async def test_node_comes_again_with_a_token(tmp_path: Path, debian: Callable[..., None]) -> None:
    npm.need_node(debian)
    modules = npm.install("xmpp-client-ws", *PACKAGES)
    (tmp_path / "node_modules").symlink_to(modules / "node_modules")
    shutil.copy(AGAIN, tmp_path)
    async with World(tmp_path) as world:
        service = f"xmpps://{HOSTNAME}:{world.ports['xmpps']}"
        async with Node(world, service, tmp_path, AGAIN) as ivanov:
            mechanism, first = (await ivanov.line()).split()
            assert mechanism == "SCRAM-SHA-1"
            assert (await ivanov.line()).split() == ["HT-SHA-256-NONE", first]
            assert await ivanov.leave() == 0
