# SPDX-License-Identifier: Apache-2.0
"""Earlier states of files in clients that know nothing of them: rclone, cadaver, curl."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.peers.test_webdav_clients import rclone, run
from tests.world import HOST, IVANOV, PASSWORD, World

pytestmark = pytest.mark.peer


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


async def test_rclone_sees_them_and_brings_one_back(
    world: World, debian: Callable[..., None], tmp_path: Path
) -> None:
    debian("rclone")
    file = tmp_path / "план.txt"
    for text in ("первый", "второй, длиннее", "третий и последний"):
        file.write_text(text)
        await rclone(
            world, tmp_path, IVANOV, "copyto", "--ignore-times", str(file), ":webdav:papers/план.txt"
        )
    assert ".versions/" in (await rclone(world, tmp_path, IVANOV, "lsf", ":webdav:")).split("\n")
    history = ":webdav:.versions/papers/план.txt"
    states = (await rclone(world, tmp_path, IVANOV, "lsf", history)).splitlines()
    assert len(states) == 2 and states[0].endswith("Z (1).txt") and states[1].endswith("Z (2).txt")
    # Its own copies within a server carry Overwrite: F, whatever it is told, and are refused over a file.
    back = ("--disable", "copy", "copyto", f"{history}/{states[0]}", ":webdav:papers/план.txt")
    await rclone(world, tmp_path, IVANOV, *back)
    assert await rclone(world, tmp_path, IVANOV, "cat", ":webdav:papers/план.txt") == "первый"
    await rclone(world, tmp_path, IVANOV, "sync", f"{history}/", str(tmp_path / "past"))
    found = sorted(each.read_text() for each in (tmp_path / "past").iterdir())
    assert found == sorted(["первый", "второй, длиннее", "третий и последний"])
    # A folder that is made like a local one loses nothing of its past.
    await rclone(world, tmp_path, IVANOV, "sync", str(tmp_path / "past"), ":webdav:papers")
    assert await rclone(world, tmp_path, IVANOV, "lsf", ":webdav:papers/.versions/") == ""
    trash = await rclone(world, tmp_path, IVANOV, "lsf", "-R", ":webdav:.trash")
    assert "план.txt" in trash


async def test_cadaver_moves_one_back(world: World, debian: Callable[..., None], tmp_path: Path) -> None:
    debian("cadaver")
    (tmp_path / ".netrc").write_text(f"machine {HOST}\nlogin {IVANOV}\npassword {PASSWORD}\n")
    for name, text in (("one.txt", "one"), ("two.txt", "two!")):
        (tmp_path / name).write_text(text)
    script = """
        put one.txt a.txt
        put two.txt a.txt
        ls .versions/a.txt
        quit
    """
    url = world.url(f"/dav/files/{IVANOV}/")
    _, output = await run("cadaver", url, cwd=tmp_path, stdin=script)
    line = next(line for line in output.splitlines() if "Z (1).txt" in line)
    state = line.strip().split("   ")[0]
    script = f"""
        move ".versions/a.txt/{state}" a.txt
        get a.txt back.txt
        quit
    """
    _, output = await run("cadaver", url, cwd=tmp_path, stdin=script)
    assert "failed" not in output.lower(), output
    assert (tmp_path / "back.txt").read_text() == "one"


async def test_curl_resumes_an_upload(world: World, debian: Callable[..., None], tmp_path: Path) -> None:
    debian("curl")
    data = b"0123456789" * 20_000
    (tmp_path / "head").write_bytes(data[:150_000])
    (tmp_path / "tail").write_bytes(data[150_000:])
    account = ("-s", "-u", f"{IVANOV}:{PASSWORD}", "-k")
    url = world.url(f"/dav/files/{IVANOV}/big.bin")
    begin = ("-T", "head", "-H", "Upload-Complete: ?0", "-H", f"Upload-Length: {len(data)}")
    status, output = await run("curl", *account, *begin, "-D", "-", "-o", "made", url, cwd=tmp_path)
    assert status == 0 and "HTTP/1.1 201" in output, output
    place = next(line.split(": ")[1] for line in output.splitlines() if line.lower().startswith("location"))
    state = await run("curl", *account, "-I", world.url(place.strip()), cwd=tmp_path)
    assert "upload-offset: 150000" in state[1].lower(), state
    rest = ("-X", "PATCH", "--data-binary", "@tail", "-H", "Content-Type: application/partial-upload")
    rest = (*rest, "-H", "Upload-Offset: 150000", "-H", "Upload-Complete: ?1", "-w", "%{http_code}")
    status, output = await run("curl", *account, *rest, world.url(place.strip()), cwd=tmp_path)
    assert output == "201"
    await run("curl", *account, "-o", "back", url, cwd=tmp_path)
    assert (tmp_path / "back").read_bytes() == data
