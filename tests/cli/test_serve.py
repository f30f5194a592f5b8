# SPDX-License-Identifier: Apache-2.0
"""`armgs serve`: the daemon in the foreground, ended by SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Armgs
from tests.world import free_offset

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("by", ["directory", "config"])
async def test_until_it_is_told_to_stop(run: Armgs, by: str) -> None:
    offset = free_offset()
    made = await asyncio.to_thread(
        run, "init", run.path, "--domain", "digital.example", "--port-offset", offset
    )
    assert made.code == 0
    where = [str(run.path)] if by == "directory" else ["--config", str(run.path / "armgs.toml")]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "armgs_server", "serve", *where),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            while b"event=ready" not in await process.stderr.readline():
                assert process.returncode is None
        reader, writer = await asyncio.open_connection("127.0.0.1", 143 + offset)
        assert (await reader.readline()).startswith(b"* OK")
        writer.close()
        await writer.wait_closed()
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0


def test_no_workplace(run: Armgs, tmp_path: Path) -> None:
    refused = run("serve", tmp_path / "none")
    assert refused.code == 3
    assert "armgs init" in refused.err
