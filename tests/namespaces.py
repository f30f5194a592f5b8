# SPDX-License-Identifier: Apache-2.0
"""Hosts of their own on one machine: network namespaces with two cables each (root and iproute2 needed).

`front` is where clients and the balancer come from, `back` where PostgreSQL, NATS and S3 are: a host whose
back cable is pulled still hears its clients, as in a real partition. This side of either network is a
bridge in the namespace of the tests: FRONT.1 (clients), FRONT.2 (balancer), BACK.1 (services).
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

NAMESPACES = Path("/run/netns")
PREFIX = "armgs-"
# RFC 2544 §C.2.2: 198.18.0.0/15 is for tests of network devices and is routed nowhere.
BLOCK = "198.18"
CLIENTS, BALANCER, SERVICES, FIRST_HOST = 1, 2, 1, 11


def reason_against() -> str:
    """Why there can be no namespaces here; '' where there can."""
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    if shutil.which("ip") is None:
        return "iproute2 is not installed"
    probe = f"{PREFIX}{os.getpid()}-probe"
    attempt = _try("netns", "add", probe)
    if attempt:
        return f"the kernel allows no network namespace: {attempt}"
    bridge = f"ag{os.getpid()}p"
    attempt = _try("link", "add", bridge, "type", "bridge")
    if not attempt:
        _ip("link", "delete", bridge)
    _ip("netns", "delete", probe)
    return f"the kernel allows no bridge: {attempt}" if attempt else ""


@dataclass(slots=True)
class Namespace:
    """One host's network; `front` and `back` are its addresses."""

    name: str
    front: str
    back: str
    front_cable: str
    back_cable: str

    @property
    def balancer(self) -> str:
        """From where the balancer comes, as this host sees it."""
        return f"{self.front.rpartition('.')[0]}.{BALANCER}"

    def command(self, *arguments: str) -> list[str]:
        """A command that runs inside; its process id is that of the command."""
        return ["ip", "netns", "exec", self.name, *arguments]

    def pull(self, *, front: bool = False) -> None:
        """Pulls the cable to the services, or the one to the clients: no byte passes, nobody is told."""
        _ip("link", "set", self.front_cable if front else self.back_cable, "down")

    def plug(self, *, front: bool = False) -> None:
        """Puts it in again."""
        _ip("link", "set", self.front_cable if front else self.back_cable, "up")


@dataclass(slots=True)
class Networks:
    """Both networks, as they are seen from here, and the hosts on them."""

    front: str
    back: str
    hosts: list[Namespace] = field(default_factory=list)

    @property
    def clients(self) -> str:
        return f"{self.front}.{CLIENTS}"

    @property
    def balancer(self) -> str:
        return f"{self.front}.{BALANCER}"

    @property
    def services(self) -> str:
        return f"{self.back}.{SERVICES}"


@contextmanager
def networks(count: int) -> Iterator[Networks]:
    """`count` hosts on two networks; all of it is removed at the end."""
    remove_leftovers()
    pid = os.getpid()
    with ExitStack() as stack:
        found = Networks(*_free_networks())
        for letter, addresses in (("f", (found.clients, found.balancer)), ("b", (found.services,))):
            bridge = f"ag{pid}{letter}"
            _ip("link", "add", bridge, "type", "bridge")
            stack.callback(_ip, "link", "delete", bridge)
            for address in addresses:
                _ip("address", "add", f"{address}/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
        for number in range(count):
            name = f"{PREFIX}{pid}-{number + 1}"
            host = Namespace(
                name,
                f"{found.front}.{FIRST_HOST + number}",
                f"{found.back}.{FIRST_HOST + number}",
                f"ag{pid}f{number + 1}",
                f"ag{pid}b{number + 1}",
            )
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "delete", name)  # its cables go with it
            _ip("-n", name, "link", "set", "lo", "up")
            for device, cable, address in (
                ("front", host.front_cable, host.front),
                ("back", host.back_cable, host.back),
            ):
                _ip("link", "add", cable, "type", "veth", "peer", "name", device, "netns", name)
                _ip("link", "set", cable, "master", f"ag{pid}{device[0]}", "up")
                _ip("-n", name, "address", "add", f"{address}/24", "dev", device)
                _ip("-n", name, "link", "set", device, "up")
            found.hosts.append(host)
        yield found


def remove_leftovers() -> None:
    """What test processes that were killed have left behind."""
    for namespace in NAMESPACES.glob(f"{PREFIX}*") if NAMESPACES.is_dir() else ():
        pid = namespace.name.split("-")[1]
        if not Path(f"/proc/{pid}").exists():
            _try("netns", "delete", namespace.name)
            for letter in "fb":
                _try("link", "delete", f"ag{pid}{letter}")


def _free_networks() -> tuple[str, str]:
    taken = subprocess.run(
        ["ip", "-brief", "address"], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    free = [f"{BLOCK}.{number}" for number in range(1, 255) if f" {BLOCK}.{number}." not in taken]
    first, second = random.sample(free, 2)
    return first, second


def _ip(*arguments: str) -> None:
    error = _try(*arguments)
    if error:
        raise RuntimeError(f"ip {' '.join(arguments)}: {error}")


def _try(*arguments: str) -> str:
    """What `ip` said against it; '' where it was done."""
    answer = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=30, check=False)
    return "" if answer.returncode == 0 else answer.stderr.strip() or f"exit code {answer.returncode}"
