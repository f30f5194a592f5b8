# SPDX-License-Identifier: Apache-2.0
"""The Debian package, as far as it shows without building it; `make check-deb` installs and purges one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGING = ROOT / "packaging"
SCRIPTS = sorted(path for path in PACKAGING.rglob("*") if path.is_file() and path.name != "control")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_shell_and_end_at_the_first_error(script: Path) -> None:
    """Debian Policy §10.4."""
    subprocess.run(["sh", "-n", script], check=True, timeout=30)
    text = script.read_text()
    assert text.startswith("#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n")
    if script.name != "armgs":
        assert re.search("^set -eu?$", text, re.MULTILINE)


def test_every_place_in_control_is_filled() -> None:
    places = set(re.findall("@[A-Z_]+@", (PACKAGING / "debian" / "control").read_text()))
    filled = set(re.findall(r"s\|(@[A-Z_]+@)\|", (PACKAGING / "build-deb").read_text()))
    assert places == filled


def test_every_unit_finds_the_program_of_the_package() -> None:
    """What build-deb puts in the place of the checkout's program is what the units name."""
    [before, after] = re.findall(r"s\|(/opt\S+)\|(\S+)\|", (PACKAGING / "build-deb").read_text())[0]
    for unit in (ROOT / "systemd").glob("*.service"):
        command = re.search(r"^ExecStart=(\S+)", unit.read_text(), re.MULTILINE)
        assert command is not None
        assert (command[1], after) == (before, "/usr/bin/armgs")


def test_people_s_mail_survives_the_purge() -> None:
    text = (PACKAGING / "debian" / "postrm").read_text()
    assert not re.search(r"rm -rf[^\n]*/var/lib/armgs", text)
