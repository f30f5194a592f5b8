# SPDX-License-Identifier: Apache-2.0
"""A real systemd for tests: this machine's file tree under an overlay, booted by systemd-nspawn (root).

What is written there lies in memory and is gone afterwards. The network is the machine's own loopback, so
the standard ports are free. The program is the one that runs the tests, where the units expect it.
"""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import uuid
from pathlib import Path

ROOT = Path(__file__).parent.parent
TIMEOUT = 480.0
_BOOT = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
mkdir -p "$1/root/opt/armgs/.venv/bin"
cp "$2/armgs" "$1/root/opt/armgs/.venv/bin/armgs"
cp "$2/drill.service" "$2/drill.target" "$1/root/etc/systemd/system/"
rm -f "$1"/root/etc/systemd/system/*.wants/* "$1"/root/etc/systemd/system/armgs* 2> /dev/null || :
shift 2
exec systemd-nspawn --register=no --keep-unit --private-network --boot --console=pipe "$@" \\
    systemd.unit=drill.target
"""
_PROGRAM = """#!/bin/sh
export PYTHONPATH=/opt/armgs/src:{packages}
export PYTHONDONTWRITEBYTECODE=1
export LD_LIBRARY_PATH=/opt/armgs/python/lib
exec /opt/armgs/python/bin/{name} -m armgs_server "$@"
"""
_SERVICE = """[Service]
Type=oneshot
ExecStart=/bin/sh /drill/script
StandardOutput=append:/drill/log
StandardError=append:/drill/log
TimeoutStartSec=420
ExecStopPost=/bin/systemctl --no-block poweroff
"""
_TARGET = """[Unit]
Requires=basic.target dbus.socket drill.service
After=basic.target drill.service
AllowIsolate=yes
"""


def reason_against(directory: Path) -> str:
    """Why there can be none here; '' where there can."""
    if os.geteuid() != 0:
        return "only root boots a container"
    if shutil.which("systemd-nspawn") is None:
        return "systemd-nspawn is not installed"
    script = 'mount -t tmpfs tmpfs "$1" && mkdir "$1/u" "$1/w" "$1/m" && mount -t overlay overlay -o'
    script += ' "lowerdir=/,upperdir=$1/u,workdir=$1/w" "$1/m"'
    probe = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", directory],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return "" if probe.returncode == 0 else f"no overlay can be mounted: {probe.stderr.strip()}"


def run(directory: Path, script: str) -> str:
    """Boots, runs the script as root in a unit of its own, and shuts down; what the script has said."""
    drill, mounted = directory / "drill", directory / "machine"
    drill.mkdir(mode=0o755)
    mounted.mkdir()
    (drill / "script").write_text(script)
    (drill / "log").touch()
    (drill / "drill.service").write_text(_SERVICE)
    (drill / "drill.target").write_text(_TARGET)
    packages = [path for path in site.getsitepackages() if Path(path).is_dir()]
    name = Path(os.path.realpath(sys.executable)).name
    program = drill / "armgs"
    program.write_text(
        _PROGRAM.format(packages=":".join(f"/opt/armgs/packages{n}" for n in range(len(packages))), name=name)
    )
    program.chmod(0o755)
    binds = [
        f"--bind={drill}:/drill",
        f"--bind-ro={ROOT}:/opt/armgs/src",
        f"--bind-ro={sys.base_prefix}:/opt/armgs/python",
        *(f"--bind-ro={path}:/opt/armgs/packages{number}" for number, path in enumerate(packages)),
    ]
    machine = [f"--machine=armgs-{uuid.uuid4().hex[:8]}", f"--directory={mounted}/root"]
    booted = subprocess.run(
        [
            "unshare",
            "-m",
            "--propagation",
            "private",
            "sh",
            "-c",
            _BOOT,
            "sh",
            mounted,
            drill,
            *machine,
            *binds,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    said = (drill / "log").read_text(errors="replace")
    if not said:
        raise RuntimeError(f"{booted.stdout[-3000:]}\n{booted.stderr[-3000:]}")
    return said
