# SPDX-License-Identifier: Apache-2.0
"""Packages of the npm registry for tests: fetched once, with Node.js of this machine or Debian's.

Where the registry cannot be reached the test is skipped with the reason; with CI=true it fails, as in
tests/debian.py.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

CACHE = Path(tempfile.gettempdir()) / f"armgs-tests-npm.{os.getuid()}"
TIMEOUT = 300.0


def _npm(*arguments: str, cwd: Path) -> None:
    command = ["npm", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", *arguments]
    subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT,
        check=True,
    )


def fetch(name: str, fill: Callable[[Path], None]) -> Path:
    """The folder of that name in the cache, filled once for all test workers."""
    CACHE.mkdir(mode=0o700, exist_ok=True)
    folder = CACHE / name
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            fresh = Path(tempfile.mkdtemp(dir=CACHE))
            fill(fresh)
            fresh.rename(folder)
    return folder


def need_node(debian: Callable[..., None]) -> None:
    """Node.js with npm: what is on the machine, or Debian's."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        debian("nodejs", "npm")


def pack(package: str) -> Path:
    """The archive of one package, as its makers published it."""
    try:
        folder = fetch(package.replace("/", "_"), lambda folder: _npm("pack", package, cwd=folder))
    except subprocess.SubprocessError as error:
        _give_up(package, error)
    return next(folder.glob("*.tgz"))


def install(name: str, *packages: str) -> Path:
    """A folder with `node_modules` of the packages and what they need."""
    try:
        return fetch(name, lambda folder: _npm("install", *packages, cwd=folder))
    except subprocess.SubprocessError as error:
        _give_up(" ".join(packages), error)


def _give_up(what: str, error: subprocess.SubprocessError) -> NoReturn:
    output = (getattr(error, "stdout", b"") or b"").decode(errors="replace")[-800:]
    text = f"npm did not give {what}: {error}\n{output}"
    if os.environ.get("CI") == "true":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)
