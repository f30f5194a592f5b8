# SPDX-License-Identifier: Apache-2.0
"""Two hosts over PostgreSQL, NATS and S3, each on cables of its own (tests.faults.links).

The first host has two workers under a supervisor, the second is one process. What is durable for a real
machine's crash (fsync) is off, what is durable for a crash of PostgreSQL is on.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from armgs_server import config as configuration
from armgs_server.cli.init import settings_text
from armgs_server.cli.workplace import opened
from armgs_server.net.certificates import make_certificates
from armgs_server.supervisor import PidFile
from tests import nats, postgres, seaweedfs
from tests.faults.links import HttpLink, Link, Links

DOMAIN = "faults.example"
PASSWORD = "test-password"
PEOPLE = tuple(f"person{number:02}@{DOMAIN}" for number in range(24))
START_TIMEOUT = 60.0
STOP_TIMEOUT = 30.0
# Log-ins are cheap here: these tests are not about them, and every fault makes fifty.
SECURITY = {
    "allow_plaintext": True,
    "argon2_memory": 65536,
    "argon2_passes": 1,
    "scram_iterations": 4096,
}
CONNECTIONS = 60


@dataclass(slots=True)
class Host:
    """One machine: its daemon and its cables."""

    address: str
    directory: Path
    offset: int
    postgres: Link
    nats: Link
    bucket: HttpLink
    process: subprocess.Popen[bytes] | None = None

    @property
    def config_file(self) -> Path:
        return self.directory / "armgs.toml"

    @property
    def links(self) -> tuple[Link, ...]:
        return self.postgres, self.nats, self.bucket

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Returns when the daemon is ready. `environment` is the daemon's besides ours."""
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "armgs_server", "serve", str(self.directory)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
            )
        file = PidFile(configuration.load(self.config_file).data_dir)
        deadline = time.monotonic() + START_TIMEOUT
        while file.pid() != self.process.pid:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "log").read_text()[-4000:])
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """The graceful stop, or kill -9."""
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_TIMEOUT)
        self.process = None

    def workers(self) -> list[int]:
        """The processes that serve: the supervisor's children."""
        assert self.process is not None
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@dataclass(slots=True)
class Site:
    """Everything that runs."""

    hosts: list[Host]
    postgres: postgres.Server
    nats: nats.Server
    bucket: seaweedfs.Server

    @property
    def database(self) -> str:
        """The hosts' database, past their cables."""
        return self.postgres.url("test_1")

    def port(self, number: int) -> int:
        """Where both hosts serve the protocol of a well-known port."""
        return number + self.hosts[0].offset


@contextmanager
def running(directory: Path, offset: int) -> Iterator[Site]:
    """Both hosts, serving PEOPLE."""
    with ExitStack() as stack:
        settings = {"synchronous_commit": "on", "max_connections": str(CONNECTIONS)}
        server = stack.enter_context(postgres.running(settings))
        server.create_database()
        bus = nats.Server(directory)
        bus.start()
        stack.callback(bus.stop)
        bucket = stack.enter_context(seaweedfs.serving(directory, seaweedfs.write_identity(directory)))
        links = Links()
        stack.callback(links.close)
        s3 = urlsplit(bucket.url)
        assert s3.port is not None
        hosts = []
        for number in (1, 2):
            host = Host(
                address=f"127.0.0.{20 + number}",
                directory=directory / f"host-{number}",
                offset=offset,
                postgres=links.to_unix(f"{server.directory}/.s.PGSQL.5432"),
                nats=links.to_tcp(bus.port),
                bucket=links.to_http(s3.port),
            )
            hosts.append(host)
            _configure(host, hosts[0], workers=3 - number, bucket=bucket.url.replace(str(s3.port), "{port}"))
        asyncio.run(_populate(hosts[0]))
        for host in hosts:
            host.start()
            stack.callback(host.stop)
        yield Site(hosts, server, bus, bucket)


def _configure(host: Host, first: Host, *, workers: int, bucket: str) -> None:
    host.directory.mkdir()
    (host.directory / "data").mkdir(mode=0o700)
    tables: dict[str, dict[str, Any]] = {
        "server": {
            "domains": [DOMAIN],
            "hostname": "localhost",
            "port_offset": host.offset,
            "listen": [host.address],
            "workers": workers,
        },
        "store": {
            "url": f"postgresql://armgs@127.0.0.1:{host.postgres.port}/test_1?sslmode=disable",
            "bus": f"nats://127.0.0.1:{host.nats.port}",
            "blobs": bucket.format(port=host.bucket.port),
        },
        "security": SECURITY,
        "limits": {"shutdown_timeout": 5.0},
    }
    host.config_file.write_text(settings_text(tables), encoding="utf-8")
    if host is first:
        make_certificates(host.directory / "tls", "localhost", [DOMAIN])
    else:
        shutil.copytree(first.directory / "tls", host.directory / "tls")


async def _populate(host: Host) -> None:
    async with opened(configuration.load(host.config_file), visiting=False) as workplace:
        await workplace.directory.create_department("Faults", [DOMAIN])
        for person in PEOPLE:
            await workplace.directory.create_person(person, person.partition("@")[0], password=PASSWORD)
