# SPDX-License-Identifier: Apache-2.0
"""systemd's journal for tests: a socket that reads its native protocol, and a real journald apart (root).

The real one runs in a mount namespace with a /run of its own, so it is nobody else's: `run_with_journald`
runs Python there with standard error as systemd gives it to a unit, and returns what journalctl finds.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TIMEOUT = 60.0

_SCRIPT = """
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/journal /run/log/journal
/lib/systemd/systemd-journald &
journald=$!
trap 'kill $journald' EXIT
for i in $(seq 100); do [ -S /run/systemd/journal/stdout ] && break; sleep 0.1; done
"$0" -c "$1"
journalctl --sync || sleep 1
journalctl --directory=/run/log/journal --output=json --all --no-pager SYSLOG_IDENTIFIER=armgs
"""
# What systemd does before it starts a unit: the stream to the journal, its header, and its name.
UNIT = """
import os, socket
stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
stream.connect("/run/systemd/journal/stdout")
stream.sendall(b"armgs\\n\\n6\\n1\\n0\\n0\\n0\\n")
os.dup2(stream.fileno(), 2)
found = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
"""


def reason_against() -> str:
    """Why there can be no journald apart; '' where there can."""
    if os.geteuid() != 0:
        return "only root mounts"
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True, timeout=TIMEOUT, check=False)
    return "" if probe.returncode == 0 else "the kernel allows no mount namespace"


def run_with_journald(code: str) -> list[dict[str, Any]]:
    """What the journal has after Python has run the code."""
    command = ["unshare", "-m", "--propagation", "private", "sh", "-c", _SCRIPT, sys.executable, UNIT + code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


class Journal:
    """A datagram socket like journald's; `read` takes one record off it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(10)

    def read(self) -> dict[str, list[bytes]]:
        """The fields of the next record, by name."""
        room = socket.CMSG_SPACE(array.array("i").itemsize)
        data, ancillary, _, _ = self.socket.recvmsg(1 << 20, room)
        for level, kind, content in ancillary:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            assert data == b"", "a record is in the datagram or in the file"
            descriptors = array.array("i")
            descriptors.frombytes(content)
            with open(descriptors[0], "rb") as file:
                file.seek(0)
                data = file.read()
        return parse(data)

    def close(self) -> None:
        """Ends it; its name goes, too."""
        self.socket.close()
        self.path.unlink()


def parse(data: bytes) -> dict[str, list[bytes]]:
    """A record, as the native protocol says; ValueError where it is none."""
    fields: dict[str, list[bytes]] = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = struct.unpack_from("<Q", rest)[0]
            value, rest = rest[8 : 8 + size], rest[8 + size :]
            if len(value) != size or rest[:1] != b"\n":
                raise ValueError("a value is not as long as it says")
            rest = rest[1:]
        if not name or name[:1].isdigit() or name.strip(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"):
            raise ValueError(f"no name of a field: {name!r}")
        fields.setdefault(name.decode(), []).append(value)
        data = rest
    return fields
