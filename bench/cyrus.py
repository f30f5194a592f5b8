# SPDX-License-Identifier: Apache-2.0
"""Cyrus of Debian as it is shipped, but for ports, folders and people: what its mail and its httpd share."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from bench.common import PASSWORD
from bench.peers import folder_of, need, running


class Service(NamedTuple):
    """A line of cyrus.conf."""

    name: str
    program: str
    arguments: str
    port: int
    children: str


@asynccontextmanager
async def running_cyrus(
    packages: Iterable[str], services: Iterable[Service], settings: Mapping[str, str], users: Iterable[str]
) -> AsyncIterator[tuple[int, Path]]:
    """Its first process, once the last service listens, and its folder; passwords in SASL's own file."""
    need("cyrus-imapd", "sasl2-bin", *packages)
    with folder_of("cyrus") as folder:
        for part in ("lib", "spool", "run/proc", "run/lock", "run/socket", "sieve"):
            (folder / part).mkdir(parents=True)
        more = "".join(f"{name}: {value % {'folder': folder}}\n" for name, value in settings.items())
        (folder / "imapd.conf").write_text(_IMAPD % {"folder": folder} + more)
        services = list(services)
        lines = "".join(_SERVICE.format(folder=folder, **each._asdict()) for each in services)
        (folder / "cyrus.conf").write_text(_CYRUS % {"folder": folder, "services": lines})
        for user in users:
            _saslpasswd(folder / "sasldb2", user)
        await asyncio.to_thread(_make_folders, folder)
        command = (
            *("/usr/lib/cyrus/bin/master", "-D", "-C", str(folder / "imapd.conf")),
            *("-M", str(folder / "cyrus.conf"), "-p", str(folder / "run" / "master.pid")),
        )
        async with running(folder, services[-1].port, command) as pid:
            yield pid, folder


def _make_folders(folder: Path) -> None:
    """What Cyrus wants to be there, its own."""
    run("chown", "-R", "cyrus:mail", str(folder))
    run("/usr/lib/cyrus/bin/makedirs", "-f", str(folder / "imapd.conf"), user="cyrus")


def run(*command: str, user: str | None = None) -> None:
    """A command whose failure is said; what needs it will tell more."""
    done = subprocess.run(command, check=False, timeout=60, user=user, capture_output=True, text=True)
    if done.returncode:
        print(f"{command[0]}: {done.stderr.strip()[-300:]}", file=sys.stderr)


def _saslpasswd(path: Path, user: str) -> None:
    command = ["saslpasswd2", "-p", "-c", "-f", str(path), "-u", socket.gethostname(), user]
    subprocess.run(command, input=PASSWORD.encode(), check=True, timeout=60)


_CYRUS = """\
START {
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -C %(folder)s/imapd.conf -r"
}
SERVICES {
%(services)s}
EVENTS {
}
"""

_SERVICE = (
    '  {name} cmd="{program} -C {folder}/imapd.conf {arguments}" listen="127.0.0.1:{port}" {children}\n'
)

_IMAPD = """\
configdirectory: %(folder)s/lib
proc_path: %(folder)s/run/proc
mboxname_lockpath: %(folder)s/run/lock
partition-default: %(folder)s/spool
defaultpartition: default
sievedir: %(folder)s/sieve
unixhierarchysep: yes
allowplaintext: yes
autocreate_quota: 0
autocreate_post: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: %(folder)s/sasldb2
sasl_mech_list: PLAIN
hashimapspool: true
idlesocket: %(folder)s/run/socket/idle
"""
