# SPDX-License-Identifier: Apache-2.0
"""How files become a drive: the page, what Windows downloads, and that no address becomes a command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from armgs_server.config import Config, ServerSettings
from armgs_server.portal import mounting
from armgs_server.portal.endpoints import Endpoints, find_endpoints
from tests.portal.client import get
from tests.world import IVANOV, PASSWORD, World

URL = "https://mail.digital.example/dav/files/ivanov@digital.example/"
UNSAFE = (
    "a&calc@digital.example",
    "a%USERNAME%@digital.example",
    "a$(id)@digital.example",
    "a`id`@digital.example",
    "a'b@digital.example",
    "a^b@digital.example",
    "a!b@digital.example",
    "a|b@digital.example",
)


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Endpoints:
    server = ServerSettings(hostname="mail.digital.example", domains=("digital.example",))
    return find_endpoints(Config(directory=tmp_path_factory.mktemp("config"), server=server), has_tls=True)


def test_places_and_lines(endpoints: Endpoints) -> None:
    found = {each.system: each for each in mounting.instructions(endpoints, IVANOV)}
    assert tuple(found) == mounting.SYSTEMS
    assert found["windows"].place == found["macos"].place == URL
    assert found["windows"].lines == (
        'net use P: "\\\\mail.digital.example@SSL\\dav\\files\\ivanov@digital.example" '
        '/user:"ivanov@digital.example" /persistent:yes *',
    )
    top = "ivanov%40digital.example@mail.digital.example/dav/files/ivanov@digital.example/"
    assert found["gnome"].place == f"davs://{top}"
    assert found["kde"].place == f"webdavs://{top}"
    assert f"url='{URL}'" in found["rclone"].lines[0]
    assert f"{URL} /mnt/armgs davfs" in found["davfs2"].lines[0]


def test_settings_of_windows(endpoints: Endpoints) -> None:
    text = mounting.registry(endpoints).decode("utf-16")
    assert text.startswith("Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SYSTEM\\")
    assert '"FileSizeLimitInBytes"=dword:ffffffff\r\n' in text
    assert "BasicAuthLevel" not in text
    line = next(line for line in text.split("\r\n") if line.startswith('"AuthForwardServerList"=hex(7):'))
    octets = bytes(int(each, 16) for each in line.partition(":")[2].split(","))
    assert octets.decode("utf-16-le") == "https://mail.digital.example\0\0"


def test_script_of_windows(endpoints: Endpoints) -> None:
    lines = mounting.script(endpoints, "иванов@пример.рф").decode().split("\r\n")
    assert lines[0] == "@echo off"
    assert '/user:"иванов@пример.рф"' in lines[4]
    moved = Endpoints("mail.digital.example", (), "https://mail.digital.example:8443")
    assert "\\\\mail.digital.example@SSL@8443\\dav\\files\\" in mounting.net_use(moved, IVANOV)
    plain = Endpoints("mail.digital.example", (), "http://mail.digital.example:8080")
    assert "\\\\mail.digital.example@8080\\dav\\files\\" in mounting.net_use(plain, IVANOV)
    assert '"BasicAuthLevel"=dword:00000002' in mounting.registry(plain).decode("utf-16")


@pytest.mark.parametrize("address", UNSAFE)
def test_addresses_that_a_shell_would_read(address: str) -> None:
    assert not mounting.is_plain(address)


async def test_page_and_downloads(world: World) -> None:
    page = await get(world, f"/mount?lang=ru&address={IVANOV}")
    assert page.status == 200 and "Файлы как диск или папка" in page.text
    assert 'href="/mount/armgs.cmd?address=ivanov%40digital.example"' in page.text
    for name in ("/mount/armgs.reg", f"/mount/armgs.cmd?address={IVANOV}"):
        answer = await get(world, name)
        assert answer.status == 200 and answer.headers["content-disposition"].startswith("attachment;")
    assert (await get(world, "/mount/armgs.cmd")).status == 400
    assert (await get(world, "/mount/armgs.cmd?address=a%26calc@digital.example")).status == 400
    assert (await get(world, "/mount?address=a%26calc@digital.example")).status == 400
    assert (await get(world, "/mount/other")).status == 404


async def test_rclone_takes_the_line(
    world: World, debian: Callable[..., None], tmp_path: Path, endpoints: Endpoints
) -> None:
    """The line as it is printed makes a remote that lists the files."""
    debian("rclone")
    here = Endpoints("localhost", (), world.url("").rstrip("/"))
    line = next(each for each in mounting.instructions(here, IVANOV) if each.system == "rclone").lines[0]
    script = f"{line} pass='{PASSWORD}' >/dev/null 2>&1 && rclone lsf --no-check-certificate -q armgs:"
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        script,
        env={**os.environ, "RCLONE_CONFIG": str(tmp_path / "rclone.conf")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output
    assert output == b""
