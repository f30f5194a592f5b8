# SPDX-License-Identifier: Apache-2.0
"""WebDAV with the clients Debian has: litmus, cadaver, rclone. Each works on a tree and brings it back."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.world import HOST, IVANOV, PASSWORD, PETROVA, World

pytestmark = pytest.mark.peer

TREE = {
    "report.txt": "Отчёт за ноябрь\n".encode(),
    "empty": b"",
    "папка с пробелами/план & смета #1.txt": "план\n".encode() * 1000,
    "a/b/c/deep.bin": bytes(range(256)) * 1024,
    "100%.txt": b"percent",
}
SUMMARY = re.compile(r"summary for `(\w+)': of (\d+) tests run: (\d+) passed, (\d+) failed")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


async def run(
    *command: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> tuple[int, str]:
    """Exit status and everything it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(cwd), **(env or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(stdin.encode()), 100)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, output.decode(errors="replace")


def plant(folder: Path) -> Path:
    for name, data in TREE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def harvest(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def rclone(world: World, cwd: Path, user: str, *arguments: str) -> str:
    _, obscured = await run("rclone", "obscure", PASSWORD, cwd=cwd)
    env = {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_WEBDAV_URL": world.url(f"/dav/files/{user}/"),
        "RCLONE_WEBDAV_USER": user,
        "RCLONE_WEBDAV_PASS": obscured.strip(),
    }
    status, output = await run("rclone", *arguments, cwd=cwd, env=env)
    assert status == 0, output
    return output


async def test_litmus_passes_without_failure_or_warning(
    world: World, debian: Callable[..., None], tmp_path: Path
) -> None:
    debian("litmus")
    url = world.url(f"/dav/files/{IVANOV}/")
    status, output = await run("litmus", "-k", url, IVANOV, PASSWORD, cwd=tmp_path)
    summaries = {suite: (int(ran), int(failed)) for suite, ran, _, failed in SUMMARY.findall(output)}
    assert set(summaries) == {"basic", "copymove", "props", "locks", "http"}, output
    assert all(ran > 3 and failed == 0 for ran, failed in summaries.values()), output
    assert "WARNING" not in output and "SKIPPED" not in output, output
    assert status == 0


async def test_rclone_copies_a_tree_there_and_back(
    world: World, debian: Callable[..., None], tmp_path: Path
) -> None:
    debian("rclone")
    plant(tmp_path / "tree")
    await rclone(world, tmp_path, IVANOV, "copy", "tree", ":webdav:work")
    await rclone(world, tmp_path, IVANOV, "check", "--download", "tree", ":webdav:work")
    await rclone(world, tmp_path, IVANOV, "move", ":webdav:work/a", ":webdav:moved")
    await rclone(world, tmp_path, IVANOV, "copy", ":webdav:", "back")
    expected = {f"work/{name}": data for name, data in TREE.items() if not name.startswith("a/")}
    expected["moved/b/c/deep.bin"] = TREE["a/b/c/deep.bin"]
    assert harvest(tmp_path / "back") == expected
    await rclone(world, tmp_path, IVANOV, "purge", ":webdav:work")
    assert await rclone(world, tmp_path, IVANOV, "lsf", ":webdav:") == ".trash/\nmoved/\n"
    # Somebody else sees nothing of it.
    assert await rclone(world, tmp_path, PETROVA, "lsf", ":webdav:") == ""


async def test_cadaver_works_on_files_and_locks(
    world: World, debian: Callable[..., None], tmp_path: Path
) -> None:
    debian("cadaver")
    (tmp_path / ".netrc").write_text(f"machine {HOST}\nlogin {IVANOV}\npassword {PASSWORD}\n")
    (tmp_path / "up.txt").write_bytes("первый\n".encode())
    script = """
        mkcol folder
        put up.txt folder/up.txt
        lock folder/up.txt
        discover folder/up.txt
        put up.txt folder/up.txt
        unlock folder/up.txt
        propset folder/up.txt author Ivanov
        propget folder/up.txt author
        copy folder/up.txt folder/copy.txt
        move folder/copy.txt moved.txt
        ls folder
        get moved.txt down.txt
        delete moved.txt
        quit
    """
    url = world.url(f"/dav/files/{IVANOV}/")
    _, output = await run("cadaver", url, cwd=tmp_path, stdin=script)
    assert "failed" not in output.lower(), output
    assert output.count("succeeded") >= 9, output
    assert "Value of author is: Ivanov" in output
    assert (tmp_path / "down.txt").read_bytes() == "первый\n".encode()
    trash = f".trash/{datetime.now(UTC):%Y-%m-%d}/"
    assert await names_on_server(world) == [".trash/", trash, f"{trash}moved.txt", "folder/", "folder/up.txt"]


async def names_on_server(world: World) -> list[str]:
    """What the store holds, seen by a second client."""
    names: list[str] = []
    process = await asyncio.create_subprocess_exec(
        "curl",
        "--silent",
        "--fail",
        "--user",
        f"{IVANOV}:{PASSWORD}",
        "--request",
        "PROPFIND",
        world.url(f"/dav/files/{IVANOV}/"),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    for href in re.findall(r"<D:response><D:href>([^<]*)</D:href>", output.decode()):
        names.append(href.removeprefix(f"/dav/files/{IVANOV}/"))
    return sorted(filter(None, names))
