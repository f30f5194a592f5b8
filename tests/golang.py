# SPDX-License-Identifier: Apache-2.0
"""Programs of Go modules for tests: built once by `go install`, in the version named, sums checked by Go.

Where there is no Go, or no module proxy, the test is skipped with the reason; with CI=true it fails, as in
tests/debian.py.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

CACHE = Path(tempfile.gettempdir()) / f"armgs-tests-go.{os.getuid()}"
TIMEOUT = 900.0


def program(package: str, version: str) -> Path:
    """The program of that package, such as example.org/module/cmd/name; its last part is the file's name."""
    name = package.rpartition("/")[2]
    if shutil.which("go") is None:
        _give_up(package, "there is no Go on this machine")
    CACHE.mkdir(mode=0o700, exist_ok=True)
    folder = CACHE / f"{name}@{version}"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / name).exists():
            fresh = Path(tempfile.mkdtemp(dir=CACHE))
            _install(f"{package}@{version}", fresh)
            fresh.rename(folder)
    return folder / name


def _install(wanted: str, folder: Path) -> None:
    environment = os.environ | {"GOBIN": str(folder), "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
    try:
        subprocess.run(
            ["go", "install", wanted],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
            check=True,
        )
    except subprocess.SubprocessError as error:
        output = (getattr(error, "stdout", b"") or b"").decode(errors="replace")[-800:]
        _give_up(wanted, f"{error}\n{output}")


def _give_up(what: str, reason: str) -> NoReturn:
    text = f"no {what}: {reason}"
    if os.environ.get("CI") == "true":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)
