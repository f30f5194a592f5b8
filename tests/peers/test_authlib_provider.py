# SPDX-License-Identifier: Apache-2.0
"""People sign in to the pages by a provider of others: Authlib's authorization server."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.peers.authlib_provider import Client, running_provider
from tests.portal.browser import Browser
from tests.world import PETROVA, World

pytestmark = pytest.mark.peer


def visit(url: str, ca: Path) -> tuple[int, str]:
    """The status, and where the provider sends the browser."""
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=str(ca))
    connection = http.client.HTTPSConnection(parts.netloc, timeout=30, context=context)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    found = (answer.status, answer.getheader("Location") or answer.read().decode())
    connection.close()
    return found


async def test_authlib_signs_people_in(tmp_path: Path) -> None:
    with running_provider(tmp_path / "provider", PETROVA) as provider:
        ca = tmp_path / "provider" / "ca.crt"
        (tmp_path / "secret").write_text("a secret of theirs")
        settings = {"issuer": provider.issuer, "client_id": "armgs", "ca": str(ca)}
        settings["client_secret"] = str(tmp_path / "secret")
        async with World(tmp_path, settings={"sign_in_provider": settings}) as world:
            place = world.url("/signin/provider/back", secure=True)
            provider.client = Client("armgs", "a secret of theirs", place)

            async def sign_in() -> tuple[int, str, Browser]:
                browser = Browser(world)
                question = (await browser.get("/signin/provider?next=/me/rights")).headers["location"]
                status, target = await asyncio.to_thread(visit, question, ca)
                assert (status, target.partition("?")[0]) == (302, place), target
                assert set(parse_qs(urlsplit(target).query)) == {"code", "state"}
                page = await browser.get(f"/signin/provider/back?{urlsplit(target).query}")
                return page.status, browser.path, browser

            status, path, browser = await sign_in()
            assert (status, path) == (200, "/me/rights")
            assert "Петрова Анна" in (await browser.get("/me")).text
            assert provider.codes == {}  # redeemed
            provider.account = "nobody@digital.example"
            assert (await sign_in())[:2] == (403, "/signin/provider/back")
            provider.account = PETROVA
            provider.client = Client("armgs", "another secret", place)
            assert (await sign_in())[:2] == (403, "/signin/provider/back")
