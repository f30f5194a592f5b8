# SPDX-License-Identifier: Apache-2.0
"""Cyrus' httpd and Apache's mod_dav of Debian, to be measured beside ours: as they are shipped, but for
ports, folders and people. A peer that cannot be had raises Missing.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.common import HOST, PASSWORD
from bench.cyrus import Service, running_cyrus
from bench.peers import folder_of, free_ports, need, running, tree_cpu, tree_memory

USER = "user0"


@dataclass(frozen=True, slots=True)
class WebTarget:
    """A web server under measurement, with its children."""

    pid: int
    web: int  # port
    root: Path

    def cpu(self) -> float:
        return tree_cpu(self.pid)

    def memory(self) -> float:
        return tree_memory(self.pid)

    @property
    def store(self) -> Callable[[], float]:
        return lambda: 0.0


@asynccontextmanager
async def cyrus() -> AsyncIterator[WebTarget]:
    """One person with calendars and address books."""
    imap, web = free_ports(2)
    services = (
        Service("imap", "imapd", "-U 30", imap, "prefork=0"),
        Service("http", "httpd", "-U 30", web, "prefork=1"),
    )
    settings = {
        "httpmodules": "caldav carddav",
        "httpallowcompress": "no",
        "caldav_allowscheduling": "off",
    }
    async with running_cyrus(("cyrus-caldav",), services, settings, (USER,)) as (pid, folder):
        await _log_in(imap)
        yield WebTarget(pid, web, folder)


async def _log_in(port: int) -> None:
    """By IMAP, which makes the account."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(f"a LOGIN {USER} {PASSWORD}\r\nb LOGOUT\r\n".encode())
    answer = await reader.read()
    assert b"a OK" in answer, answer + await reader.read()
    writer.close()


@asynccontextmanager
async def apache(user: str) -> AsyncIterator[WebTarget]:
    """mod_dav over a folder, with Basic authentication from a file; Debian's event MPM."""
    need("apache2", "apache2-utils")
    with folder_of("apache") as folder:
        (web,) = free_ports(1)
        (folder / "files").mkdir()
        conf = folder / "apache.conf"
        conf.write_text(_APACHE % {"folder": folder, "web": web})
        process = await asyncio.create_subprocess_exec(
            "htpasswd", "-cbs", str(folder / "users"), user, PASSWORD, stderr=asyncio.subprocess.DEVNULL
        )
        await process.wait()
        for each in (folder, folder / "files"):
            shutil.chown(each, "www-data", "www-data")
        command = ("/usr/sbin/apache2", "-D", "FOREGROUND", "-d", str(folder), "-f", str(conf))
        async with running(folder, web, command) as pid:
            yield WebTarget(pid, web, folder / "files")


_APACHE = """\
ServerRoot %(folder)s
ServerName localhost
PidFile %(folder)s/pid
Listen 127.0.0.1:%(web)d
ErrorLog %(folder)s/error
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authn_file_module /usr/lib/apache2/modules/mod_authn_file.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule auth_basic_module /usr/lib/apache2/modules/mod_auth_basic.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule dav_module /usr/lib/apache2/modules/mod_dav.so
LoadModule dav_fs_module /usr/lib/apache2/modules/mod_dav_fs.so
LoadModule dav_lock_module /usr/lib/apache2/modules/mod_dav_lock.so
User www-data
Group www-data
KeepAlive On
MaxKeepAliveRequests 0
TypesConfig /etc/mime.types
DAVLockDB %(folder)s/locks
DocumentRoot %(folder)s/files
<Directory %(folder)s/files>
  DAV On
  AuthType Basic
  AuthName bench
  AuthUserFile %(folder)s/users
  Require valid-user
</Directory>
"""
