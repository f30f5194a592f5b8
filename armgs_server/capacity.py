# SPDX-License-Identifier: Apache-2.0
"""How many workers this machine, or the container around us, has room for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from armgs_server.config import Config

# Under a container's memory limit on a machine of many cores, memory is what ends first: a worker takes
# about 80 MB before its sessions, the password hashes of the moment and its caches.
MEMORY_OF_WORKER = 256 * 1024 * 1024

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def worker_count(config: Config) -> int:
    """The workers to run: as configured, or one a core as far as memory goes."""
    return config.server.workers or max(1, min(usable_cores(), usable_memory() // MEMORY_OF_WORKER))


def usable_cores(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> int:
    """Cores this process may run on: its affinity, and the CPU quota of its control groups."""
    cores = len(os.sched_getaffinity(0))
    for text in _limits("cpu.max", cgroups, own):
        quota, _, period = text.partition(" ")
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def usable_memory(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> int:
    """Bytes this process may use: the machine's, and the limit of its control groups."""
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = (text for text in _limits("memory.max", cgroups, own) if text != "max")
    return min([size, *map(int, limits)])


def _limits(name: str, cgroups: Path, own: Path) -> Iterator[str]:
    """What the files of that name say, of our control group and of all above it (version 2 only)."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return  # no /proc: then there is no control group to ask for
    path = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if path is None:
        return
    group = cgroups / path
    for folder in (group, *group.parents):
        if folder == cgroups.parent:
            return
        try:
            yield (folder / name).read_text().strip()
        except OSError:
            continue  # the root group has no limits; a container may not show those above its own
