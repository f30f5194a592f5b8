# SPDX-License-Identifier: Apache-2.0
"""DAV over a real socket and the real store, with people of two departments.

`site` runs on SQLite; `both_sites` once on each engine, for what depends on the transaction.
"""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from armgs_server import dav
from armgs_server.config import Config, DavSettings, LimitSettings, SecuritySettings
from armgs_server.directory import Directory, Principal
from armgs_server.net.http import Router
from armgs_server.net.server import Server
from armgs_server.service import Core
from armgs_server.storage import Store
from tests.dav.client import Client

IVANOV = "ivanov@digital.example"
PETROVA = "petrova@digital.example"
SIDOROV = "sidorov@finance.example"
ROOM = "room@digital.example"
PASSWORD = "test-password"
FILES = f"/dav/files/{IVANOV}"
SECURITY = SecuritySettings(
    allow_plaintext=True, argon2_memory=64 * 1024, argon2_passes=1, scram_iterations=4096
)


@dataclasses.dataclass
class Site:
    """The DAV service, its people, and one client for each of them."""

    core: Core
    service: dav.DavService
    port: int
    people: dict[str, Principal]
    clients: list[Client]

    @property
    def store(self) -> Store:
        return self.core.store

    def client(self, user: str = "", password: str = PASSWORD) -> Client:
        """A new connection."""
        client = Client(self.port, user, password)
        self.clients.append(client)
        return client

    @property
    def ivanov(self) -> Client:
        return self.client(IVANOV)

    @property
    def petrova(self) -> Client:
        return self.client(PETROVA)

    @property
    def sidorov(self) -> Client:
        return self.client(SIDOROV)


@asynccontextmanager
async def run_site(url: str, path: Path, **settings: Any) -> AsyncIterator[Site]:
    """A site of its own; `settings` are those of [dav], and `quota`."""
    quota = settings.pop("quota", 0)
    config = Config(
        directory=path,
        security=SECURITY,
        dav=dataclasses.replace(DavSettings(), **settings),
        limits=LimitSettings(quota=quota),
    )
    store = await Store.open(url, path / "store")
    directory = await Directory.open(store, config)
    await directory.create_department("Digital", ["digital.example"])
    await directory.create_department("Finance", ["finance.example"])
    people = {
        IVANOV: await directory.create_person(IVANOV, "Иванов Иван", password=PASSWORD),
        PETROVA: await directory.create_person(PETROVA, "Петрова Анна", password=PASSWORD),
        SIDOROV: await directory.create_person(SIDOROV, "Sidorov Sergey", password=PASSWORD),
        ROOM: await directory.create_room(ROOM, "Переговорная", 12),
    }
    core = Core(config, store, directory, None)
    service = dav.service(core)
    router = Router()
    for prefix, handler in service.routes:
        router.add(prefix, handler)
    server = Server(config, None)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        server.listen_http("http", router, sock, secure=False)
        site = Site(core, service, sock.getsockname()[1], people, [])
        try:
            yield site
        finally:
            for client in site.clients:
                await client.close()
            await asyncio.wait_for(server.stop(1.0), 10)
            await directory.close()
            await store.close()


def without_trash(site: Site) -> Site:
    """The same site, where what is deleted is gone at once."""
    object.__setattr__(site.core.config.dav, "trash_days", 0)  # as a reload does
    return site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with run_site("sqlite", tmp_path) as site:
        yield site


@pytest.fixture
async def both_sites(store_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with run_site(store_url, tmp_path) as site:
        yield site
