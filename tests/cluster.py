# SPDX-License-Identifier: Apache-2.0
"""A whole cluster on one machine: hosts over PostgreSQL, NATS and S3 (SeaweedFS).

`make cluster` runs three hosts with the demonstration workplace until it is interrupted; tests run two.
Every host is what one machine would be: a configuration, a data folder and a daemon of its own, on a
loopback address or in a network namespace with cables that can be pulled (`namespaces=True`).
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from armgs_server import config as configuration
from armgs_server.cli.demo import people
from armgs_server.cli.demo.populate import populate
from armgs_server.cli.init import settings_text
from armgs_server.cli.workplace import opened
from armgs_server.net.certificates import make_certificates
from armgs_server.supervisor import PidFile
from tests import nats, postgres, seaweedfs
from tests.balancer import ADDRESS, HAPROXY, Balancer
from tests.namespaces import Namespace, Networks, networks, reason_against

START_TIMEOUT = 60.0
STOP_TIMEOUT = 30.0
PASSWORD = "cluster-password"
PORT_OFFSET = 20000
LOOPBACK_BALANCER = "127.0.0.2"


@dataclass(slots=True)
class Host:
    """One machine of the cluster; `address` is where clients find it."""

    address: str
    directory: Path
    network: Namespace | None = None  # on loopback there is none, and no cable to pull
    process: subprocess.Popen[bytes] | None = None

    @property
    def config_file(self) -> Path:
        return self.directory / "armgs.toml"

    def start(self) -> None:
        """Returns when the daemon is ready."""
        command = [sys.executable, "-m", "armgs_server", "serve", str(self.directory)]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command if self.network is None else self.network.command(*command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        file = PidFile(configuration.load(self.config_file).data_dir)
        deadline = time.monotonic() + START_TIMEOUT
        while file.pid() != self.process.pid:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "log").read_text())
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


@dataclass(slots=True)
class Cluster:
    """Everything that runs; hosts are started and stopped one by one."""

    hosts: list[Host]
    postgres: postgres.Server
    nats: nats.Server
    bucket: seaweedfs.Server
    balancer: Balancer | None = None


@contextmanager
def running(
    directory: Path,
    count: int,
    *,
    port_offset: int = PORT_OFFSET,
    namespaces: bool = False,
    balanced: bool = False,
) -> Iterator[Cluster]:
    """`count` hosts with the demonstration workplace, serving.

    With `namespaces` (see `tests.namespaces.reason_against`) everything goes over cables: PostgreSQL too.
    `balanced` puts HAProxy before them, on 127.0.0.1 and the same ports.
    """
    with ExitStack() as stack:
        network = stack.enter_context(networks(count)) if namespaces else None
        services = "127.0.0.1" if network is None else network.services
        server, url = _database(stack, network)
        bus = nats.Server(directory, services)
        bus.start()
        stack.callback(bus.stop)
        identity = seaweedfs.write_identity(directory)
        bucket = stack.enter_context(seaweedfs.serving(directory, identity, services))
        hosts = [_host(directory, number, network) for number in range(count)]
        for host in hosts:
            _configure(host, hosts[0], port_offset, {"url": url, "bus": bus.url, "blobs": bucket.url})
        asyncio.run(_populate(hosts[0]))
        for host in hosts:
            host.start()
            stack.callback(host.stop)
        balancer = None
        if balanced:
            source = LOOPBACK_BALANCER if network is None else network.balancer
            balancer = Balancer(directory, [host.address for host in hosts], source, port_offset)
            balancer.start()
            stack.callback(balancer.stop)
        yield Cluster(hosts, server, bus, bucket, balancer)


def _database(stack: ExitStack, network: Networks | None) -> tuple[postgres.Server, str]:
    """PostgreSQL with an empty database, by its Unix socket, or by TCP where there are networks."""
    # Acknowledged is what the kernel has: a crash of PostgreSQL may be tried, one of the machine not.
    settings = {"synchronous_commit": "on"}
    if network is not None:
        settings["listen_addresses"] = network.services
    server = stack.enter_context(postgres.running(settings))
    url = server.create_database()
    if network is None:
        return server, url.replace(str(server.directory), quote(str(server.directory), safe="/"))
    with (server.directory / "data" / "pg_hba.conf").open("a") as access:
        access.write(f"host all all {network.back}.0/24 trust\n")
    server.execute("SELECT pg_reload_conf()")
    return server, f"postgresql://armgs@{network.services}/{url.partition('@/')[2].partition('?')[0]}"


def _host(directory: Path, number: int, network: Networks | None) -> Host:
    folder = directory / f"host-{number + 1}"
    if network is None:
        return Host(f"127.0.0.{11 + number}", folder)
    namespace = network.hosts[number]
    return Host(namespace.front, folder, namespace)


def _configure(host: Host, first: Host, port_offset: int, store: dict[str, str]) -> None:
    """The first host makes the certificates; the others get copies, as in real life."""
    domains = [department.domain for department in people.DEPARTMENTS]
    server: dict[str, Any] = {
        "domains": domains,
        "hostname": "localhost",
        "port_offset": port_offset,
        "listen": [host.address],
        "workers": 1,
        "proxy_hosts": [LOOPBACK_BALANCER if host.network is None else host.network.balancer],
    }
    host.directory.mkdir()
    (host.directory / "data").mkdir(mode=0o700)
    tables = {"server": server, "store": store, "security": {"allow_plaintext": True}}
    host.config_file.write_text(settings_text(tables), encoding="utf-8")
    if host is first:
        make_certificates(host.directory / "tls", "localhost", domains)
    else:
        shutil.copytree(first.directory / "tls", host.directory / "tls")


async def _populate(host: Host) -> None:
    async with opened(configuration.load(host.config_file), visiting=False) as workplace:
        for department in people.DEPARTMENTS:
            await workplace.directory.create_department(department.name, [department.domain])
        await populate(workplace, PASSWORD)


def main() -> None:
    """Three hosts until Control-C: in namespaces if the kernel allows it, behind HAProxy if there is one."""
    offset = int(sys.argv[1]) if len(sys.argv) > 1 else PORT_OFFSET
    reason, balanced = reason_against(), HAPROXY.exists()
    print(
        f"hosts on loopback addresses: {reason}" if reason else "each host in a network namespace of its own"
    )
    if not balanced:
        print("no HAProxy in front of them: it is not installed")
    with tempfile.TemporaryDirectory(prefix="armgs-cluster-") as directory:
        Path(directory).chmod(0o755)
        folder, namespaces = Path(directory), not reason
        with running(folder, 3, port_offset=offset, namespaces=namespaces, balanced=balanced) as cluster:
            addresses = [*([ADDRESS] if balanced else []), *(host.address for host in cluster.hosts)]
            for address in addresses:
                name = "HAProxy" if address == ADDRESS else address
                print(f"{name}: https://{address}:{443 + offset}/, imap {143 + offset}, xmpp {5222 + offset}")
            for host in cluster.hosts:
                if host.network is not None:
                    print(
                        f"to part {host.address} from the others: ip link set {host.network.back_cable} down"
                    )
            print(f"ivanov@digital.example, password {PASSWORD}; files in {directory}; Control-C ends it")
            signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
