# SPDX-License-Identifier: Apache-2.0
"""One world for the tests of the API: a general administrator, one of the department Finance, and people."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from armgs_server.directory.administrators import set_administrators
from tests.world import IVANOV, PASSWORD, PEOPLE, SIDOROV, World

ADMIN = IVANOV
FINANCE = SIDOROV


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Any


@dataclass(frozen=True)
class Api:
    """Speaks to the API as somebody."""

    world: World
    passwords: dict[str, str]

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        as_: str = ADMIN,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        return await asyncio.to_thread(self._request, method, path, body, as_, headers or {})

    def _request(self, method: str, path: str, body: Any, as_: str, headers: dict[str, str]) -> Answer:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.world.url(f"/api/v1{path}"), data, method=method)
        if as_:
            token = base64.b64encode(f"{as_}:{self.passwords.get(as_, PASSWORD)}".encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return Answer(response.status, json.loads(response.read() or b"null"), response.headers)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, json.loads(error.read() or b"null"), error.headers)


def at(path: str, address: str) -> str:
    """A path with an address in it."""
    return f"{path}/{quote(address, safe='')}"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    settings = {"security": {"administrators": (ADMIN,)}}
    async with World(tmp_path, settings=settings, people=PEOPLE) as world:
        directory = world.directory
        [finance] = [each for each in await directory.departments() if each.address == "finance.example"]
        sidorov = await directory.by_address(SIDOROV)
        admin = await directory.by_address(ADMIN)
        assert sidorov is not None and admin is not None
        await set_administrators(directory, finance, [sidorov.id])
        passwords = {
            FINANCE: await directory.add_app_password(sidorov.id, "script"),
            ADMIN: await directory.add_app_password(admin.id, "script"),
        }
        yield Api(world, passwords)
