# SPDX-License-Identifier: Apache-2.0
"""tls-exporter against OpenSSL's own tool, and what happens where it cannot be had."""

from __future__ import annotations

import asyncio
import re
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from armgs_server.net import exporter
from armgs_server.net.certificates import make_certificates
from armgs_server.net.stream import Stream
from tests.net.harness import Harness

TIMEOUT = 20.0


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    make_certificates(tmp_path, "localhost", [])
    return tmp_path


async def exported_by_openssl(port: int, *options: str) -> bytes:
    """What `openssl s_client` exports of its connection."""
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options),
        *("-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(TIMEOUT):
        output, _ = await process.communicate(b"Q\n")
    found = re.search(rb"Keying material: ([0-9A-F]{64})", output)
    assert found is not None, output.decode()
    return bytes.fromhex(found[1].decode())


async def test_the_same_as_openssl(harness: Harness) -> None:
    seen: asyncio.Queue[tuple[str, bytes | None]] = asyncio.Queue()

    async def serve(stream: Stream) -> None:
        seen.put_nowait((stream.tls_version, stream.channel_binding("tls-exporter")))
        await stream.read(TIMEOUT)
        stream.close()

    certificates = harness.certificates
    assert exporter.prepare(certificates / "server.crt", certificates / "server.key")
    port = harness.serve(serve, tls="direct")
    material = await exported_by_openssl(port, "-tls1_3")
    assert await seen.get() == ("TLSv1.3", material)
    # RFC 9266 §4.2: not over TLS 1.2, where Python cannot tell of the extended master secret
    await exported_by_openssl(port, "-tls1_2")
    assert await seen.get() == ("TLSv1.2", None)


def test_nothing_is_exported_before_the_proof(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "_exports", [])
    context = ssl.create_default_context()
    tls = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    assert exporter.export(tls) is None
    assert exporter.export(None) is None


def test_a_child_that_fails_is_no_proof(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "_exports", [])
    assert not exporter.prepare(certificates / "none.crt", certificates / "server.key")
    monkeypatch.setattr(sys, "executable", str(certificates / "none"))
    assert not exporter.prepare(certificates / "server.crt", certificates / "server.key")


def test_a_wrong_pointer_ends_the_child_alone(certificates: Path) -> None:
    text = Path(exporter.__file__).read_text().replace("_POINTER = object.__basicsize__", "_POINTER = 0")
    broken = certificates / "broken.py"
    broken.write_text(text)
    names = [str(certificates / name) for name in ("server.crt", "server.key")]
    command = [sys.executable, "-I", str(broken), *names]
    assert subprocess.run(command, timeout=TIMEOUT, capture_output=True, check=False).returncode != 0


def test_no_function_no_exporter(monkeypatch: pytest.MonkeyPatch, certificates: Path) -> None:
    monkeypatch.setattr(exporter, "_exports", [])
    monkeypatch.setattr(exporter, "_ssl", None)
    assert not exporter.prepare(certificates / "server.crt", certificates / "server.key")
