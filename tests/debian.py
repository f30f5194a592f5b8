# SPDX-License-Identifier: Apache-2.0
"""Real clients and servers from Debian's packages: `debian("swaks", "mutt")` at the head of a test.

As root on Debian what is missing is installed, once for all test workers. Elsewhere the test is skipped
with the package's name and the reason; with CI=true in the environment it fails instead, so that a suite
which silently tries no client cannot pass. Daemons that come with a package are kept from starting.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LOCK = Path("/tmp/armgs-tests-apt.lock")
POLICY = Path("/usr/sbin/policy-rc.d")
LISTS = Path("/var/lib/apt/lists")
LISTS_MAX_AGE = 24 * 3600
APT_TIMEOUT = 900
INSTALL = ("install", "--yes", "--no-install-recommends")


def missing_packages(packages: tuple[str, ...]) -> list[str]:
    """Which of them dpkg does not hold as installed; all of them where there is no dpkg."""
    if shutil.which("dpkg-query") is None:
        return list(packages)
    missing = []
    for package in packages:
        command = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if answer.stdout != "installed":
            missing.append(package)
    return missing


@contextmanager
def no_daemon_starts() -> Iterator[None]:
    """Debian Policy §9.3.3.2: invoke-rc.d asks policy-rc.d, and 101 forbids the action."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def apt_get(*arguments: str) -> None:
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=2", "-qq", *arguments]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=APT_TIMEOUT,
        check=True,
    )


def package_lists_are_old() -> bool:
    indexes = list(LISTS.glob("*_Packages*"))
    return not indexes or max(index.stat().st_mtime for index in indexes) < time.time() - LISTS_MAX_AGE


def _install_or_update_first(missing: list[str]) -> None:
    """Lists may be younger than a day and yet name versions that the mirror has no more."""
    try:
        apt_get(*INSTALL, *missing)
    except subprocess.CalledProcessError:
        apt_get("update")
        apt_get(*INSTALL, *missing)


def install(packages: tuple[str, ...]) -> str:
    """Installs what is missing; the reason why it could not, or '' when all is there."""
    missing = missing_packages(packages)
    if not missing:
        return ""
    if shutil.which("apt-get") is None:
        return "this is not a Debian system"
    if os.geteuid() != 0:
        return "only root may install packages"
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = missing_packages(packages)  # the other worker may have been here meanwhile
        if not missing:
            return ""
        try:
            with no_daemon_starts():
                if package_lists_are_old():
                    apt_get("update")
                    apt_get(*INSTALL, *missing)
                else:
                    _install_or_update_first(missing)
        except subprocess.CalledProcessError as error:
            return f"apt-get failed: {error.stdout.strip()[-400:]}"
        except subprocess.TimeoutExpired:
            return f"apt-get took longer than {APT_TIMEOUT} s"
    return ""


@pytest.fixture(scope="session")
def debian() -> Callable[..., None]:
    """Makes the named Debian packages available, or ends the test with their names and the reason."""

    def need(*packages: str) -> None:
        reason = install(packages)
        if not reason:
            return
        text = f"needs the Debian packages {' '.join(missing_packages(packages))}: {reason}"
        if os.environ.get("CI") == "true":
            pytest.fail(text, pytrace=False)
        pytest.skip(text)

    return need
