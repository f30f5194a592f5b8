# SPDX-License-Identifier: Apache-2.0
"""How many workers: as configured, else by cores and memory, control groups included."""

from __future__ import annotations

import os
from pathlib import Path

from armgs_server.capacity import MEMORY_OF_WORKER, usable_cores, usable_memory, worker_count
from armgs_server.config import Config, ServerSettings

CORES = len(os.sched_getaffinity(0))


def group(tmp_path: Path, own: str, **files: str) -> tuple[Path, Path]:
    """A tree of control groups (version 2), and what /proc/self/cgroup says; files by `folder__name`."""
    root, line = tmp_path / "cgroup", tmp_path / "own"
    (root / own).mkdir(parents=True, exist_ok=True)
    line.write_text(f"1:cpu:/elsewhere\n0::/{own}\n")
    for name, text in files.items():
        folder, _, kind = name.rpartition("__")
        (root / folder.replace("_", "/") / kind.replace("_", ".")).write_text(f"{text}\n")
    return root, line


def test_as_configured_and_else_one_a_core(tmp_path: Path) -> None:
    assert worker_count(Config(tmp_path, server=ServerSettings(workers=7))) == 7
    assert 1 <= worker_count(Config(tmp_path)) <= CORES


def test_the_narrowest_group_counts(tmp_path: Path) -> None:
    own = group(tmp_path, "a/b", a__cpu_max="100000 100000", a_b__cpu_max="max 100000")
    assert usable_cores(*own) == 1
    own = group(
        tmp_path, "a/b", a__cpu_max="150000 100000", a__memory_max="max", a_b__memory_max="1073741824"
    )
    assert usable_cores(*own) == min(CORES, 1)
    assert usable_memory(*own) == 4 * MEMORY_OF_WORKER
    own = group(tmp_path, "a", a__cpu_max="20000 100000")
    assert usable_cores(*own) == 1, "a fifth of a core is still one worker"


def test_without_limits_it_is_the_machine(tmp_path: Path) -> None:
    for own in (group(tmp_path, ""), (tmp_path / "none", tmp_path / "nothing")):
        assert usable_cores(*own) == CORES
        assert usable_memory(*own) == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
