# SPDX-License-Identifier: Apache-2.0
"""The start page: the device of the reader first, links and codes that work, ticks as programs connect."""

from __future__ import annotations

import base64
import configparser
import re
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from armgs_server.net.http import Request
from armgs_server.portal.connecting import code
from armgs_server.portal.platforms import platform_of
from tests.portal.browser import Browser
from tests.portal.client import get
from tests.world import IVANOV, PASSWORD, PETROVA, World

AGENTS = {
    "android": "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/120 Mobile Safari/537.36",
    "ios": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "macos": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.4 Safari/605",
    "windows": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "linux": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


@pytest.mark.parametrize("platform", AGENTS)
def test_the_device_by_what_the_browser_says(platform: str) -> None:
    headers = [(b"user-agent", AGENTS[platform].encode())]
    assert platform_of(Request("GET", "/", headers, peer="", is_tls=True)) == platform
    assert platform_of(Request("GET", "/?device=ios", headers, peer="", is_tls=True)) == "ios"
    assert platform_of(Request("GET", "/?device=x", headers, peer="", is_tls=True)) == platform


async def test_the_own_device_stands_first(world: World) -> None:
    for platform, inside in (
        ("android", 'href="davx5://'),
        ("ios", 'href="/apple.mobileconfig?'),
        ("macos", 'href="/apple.mobileconfig?'),
        ("windows", f"/dav/files/{IVANOV}/"),
        ("linux", f'href="davs://localhost:{world.ports["https"]}/dav/files/'),
    ):
        headers = {"User-Agent": AGENTS[platform], "Accept-Language": "en"}
        page = await get(world, f"/?address={IVANOV}", headers)
        first = page.text.partition("<details open>")[2].partition("</details>")[0]
        assert inside in first, platform
        assert page.text.count("<details>") == 4
        has_codes = "/code.svg?" in page.text
        assert has_codes == (platform not in ("android", "ios"))  # a phone's camera does not see its screen
        assert len(page.body) < 50_000


async def test_codes(world: World) -> None:
    query = f"address={IVANOV}"
    for kind in ("start", "davx5", "xmpp"):
        answer = await get(world, f"/code.svg?for={kind}&{query}")
        assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")
        assert ElementTree.fromstring(answer.body).tag == "{http://www.w3.org/2000/svg}svg"
    for target in ("/code.svg", "/code.svg?for=https://evil.example", "/code.svg?for=xmpp", "/code.svg/x"):
        assert (await get(world, target)).status == 404
    assert (await get(world, "/code.svg?for=start&address=a@evil.example")).status == 400
    assert code("xmpp:a@b.example") == code("xmpp:a@b.example")


async def test_rclone_reads_its_file(world: World) -> None:
    answer = await get(world, f"/rclone.conf?address={IVANOV}")
    assert 'filename="rclone.conf"' in answer.headers["content-disposition"]
    read = configparser.RawConfigParser()
    read.read_string(answer.text)
    assert dict(read["armgs"]) == {
        "type": "webdav",
        "url": f"https://localhost:{world.ports['https']}/dav/files/{IVANOV}/",
        "vendor": "other",
        "user": IVANOV,
    }
    assert (await get(world, "/rclone.conf")).status == 400


async def test_the_slip(world: World) -> None:
    page = await get(world, f"/slip?address={PETROVA}", {"Accept-Language": "ru"})
    assert page.status == 200 and PETROVA in page.text and "Первый пароль" in page.text
    assert page.text.count("<img ") == 3 and "Петрова" not in page.text  # who exists is not told
    assert (await get(world, "/slip?address=nobody@digital.example")).status == 200
    assert (await get(world, "/slip")).status == 400


async def test_nothing_lies_below_a_file(world: World) -> None:
    for path in ("/slip", "/rclone.conf", "/code.svg", "/apple.mobileconfig", "/style.css"):
        query = f"?for=start&address={IVANOV}"
        assert (await get(world, f"{path}{query}")).status == 200
        assert (await get(world, f"{path}/x{query}")).status == 404, path


async def test_the_language_that_was_chosen_stays(world: World) -> None:
    browser = Browser(world, language="ru")
    await browser.get("/?lang=en")
    assert "Connect to your workplace" in (await browser.get("/")).text
    assert "<h1>Sign in</h1>" in (await browser.get("/signin")).text
    await browser.get("/?lang=ru")
    assert "Подключение к рабочему месту" in (await browser.get("/")).text
    await browser.get("/?lang=xx")
    assert "Подключение к рабочему месту" in (await browser.get("/")).text


def ticks(text: str) -> list[str]:
    """The parts that have one."""
    return re.findall(r'aria-hidden="true">✓</span> (\w+)', text)


async def test_ticks_as_programs_connect(world: World) -> None:
    browser = Browser(world)
    assert "connected" not in (await browser.get("/")).text
    await browser.sign_in(IVANOV, target="/")
    assert (browser.path, ticks(browser.text)) == ("/", [])
    assert f'href="xmpp:{IVANOV}"' in browser.text  # the own address, without asking
    login = base64.b64encode(f"{IVANOV}:{PASSWORD}".encode()).decode()
    for path in (f"calendars/{IVANOV}/", f"files/{IVANOV}/", "principals/"):
        answer = await get(
            world, f"/dav/{path}", {"Authorization": f"Basic {login}", "Depth": "0"}, method="PROPFIND"
        )
        assert answer.status == 207
    reader, writer = await world.connect("imaps", secure=True)
    await reader.readline()
    writer.write(f"a LOGIN {IVANOV} {PASSWORD}\r\n".encode())
    assert b"a OK" in await reader.readline()
    writer.close()
    await world.directory.auth.logins.flush()
    await browser.get("/")
    assert ticks(browser.text) == ["mail", "calendar", "files"]
    assert ticks((await browser.get(f"/?address={PETROVA}")).text) == []
    other = Browser(world)
    await other.sign_in(PETROVA, target="/")
    assert ticks(other.text) == []
