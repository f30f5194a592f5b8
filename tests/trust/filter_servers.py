# SPDX-License-Identifier: Apache-2.0
"""rspamd, clamd and a milter as they are, on loopback: for tests that show them real mail.

The milter is a script of python3-milter (libmilter below it), told by words in the subject what to do.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

START_TIMEOUT = 60.0
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
PASSWORD = "controller-secret"

MILTER = """
import sys
import Milter

class Filter(Milter.Base):
    def header(self, name, value):
        if name.lower() == "subject":
            self.subject = value
        return Milter.CONTINUE
    def envrcpt(self, to, *parameters):
        self.recipient = to
        return Milter.CONTINUE
    def body(self, chunk):
        self.size = getattr(self, "size", 0) + len(chunk)
        return Milter.CONTINUE
    def eom(self):
        if "refuse" in self.subject:
            self.setreply("554", "5.7.9", "Not by our house rules")
            return Milter.REJECT
        if "later" in self.subject:
            return Milter.TEMPFAIL
        if "aside" in self.subject:
            self.quarantine("because")
        self.addheader("X-House-Rules", "size=%d to=%s" % (self.size, self.recipient))
        self.addheader("X-Folded", "one\\n two")
        return Milter.ACCEPT

Milter.factory = Filter
Milter.set_flags(Milter.ADDHDRS | Milter.QUARANTINE)
Milter.runmilter("house-rules", sys.argv[1], 30)
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@asynccontextmanager
async def running(*command: str, ready: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The daemon, once its socket (`host:port` or a path) takes connections; ended by its process id."""
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while True:
                assert child.returncode is None, f"{command[0]} ended with {child.returncode}"
                try:
                    if ready.startswith("/"):
                        _, writer = await asyncio.open_unix_connection(ready)
                    else:
                        host, _, port = ready.partition(":")
                        _, writer = await asyncio.open_connection(host, int(port))
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
            try:
                await asyncio.wait_for(child.wait(), 20)
            except TimeoutError:
                child.kill()
                await child.wait()


def open_folder(path: Path) -> Path:
    """A folder that a daemon which drops its rights may still write to."""
    path.mkdir()
    path.chmod(0o777)
    for parent in path.parents:
        if parent.owner() == path.owner() and parent != Path("/") and parent.parts[:2] == ("/", "tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    return path


@asynccontextmanager
async def rspamd(path: Path) -> AsyncIterator[tuple[str, str]]:
    """Its normal worker and its controller. Statistics without Redis, a DNS that is not there."""
    folder = open_folder(path / "rspamd")
    normal, controller = (f"127.0.0.1:{free_port()}" for _ in range(2))
    hashing = await asyncio.create_subprocess_exec(
        "rspamadm", "pw", "-q", "-p", PASSWORD, stdout=asyncio.subprocess.PIPE
    )
    password = (await hashing.communicate())[0].decode().strip()
    (folder / "tld").write_text("com\norg\nexample\n")  # the real list takes seconds to compile
    (folder / "rspamd.conf").write_text(f"""
options {{
  filters = ""; disable_hyperscan = true; url_tld = "{folder}/tld";
  pidfile = "{folder}/pid"; tempdir = "{folder}"; control_socket = "{folder}/control";
  history_file = "{folder}/history"; stats_file = "{folder}/stats"; hs_cache_dir = "{folder}";
  dns {{ nameserver = ["127.0.0.1:{free_port()}"]; timeout = 0.1; retransmits = 1; }}
}}
logging {{ type = "file"; filename = "{folder}/log"; level = "info"; }}
lua = "/usr/share/rspamd/rules/rspamd.lua";
actions {{ reject = 15; "add header" = 6; }}
worker "normal" {{ bind_socket = "{normal}"; count = 1; }}
worker "controller" {{
  bind_socket = "{controller}"; count = 1; password = "{password}"; enable_password = "{password}";
}}
group "test" {{ symbols {{ "BAYES_SPAM" {{ weight = 9.0; }} "BAYES_HAM" {{ weight = -3.0; }} }} }}
classifier "bayes" {{
  tokenizer {{ name = "osb"; }}
  backend = "sqlite3"; min_tokens = 1; min_learns = 1;
  statfile {{ symbol = "BAYES_HAM"; path = "{folder}/ham.sqlite"; spam = false; }}
  statfile {{ symbol = "BAYES_SPAM"; path = "{folder}/spam.sqlite"; spam = true; }}
}}
""")
    command = ["rspamd", "-f", "-c", str(folder / "rspamd.conf")]
    if os.geteuid() == 0:
        command.append("-i")  # it would not run as root otherwise
    async with running(*command, ready=normal):
        yield normal, controller


@asynccontextmanager
async def clamd(path: Path) -> AsyncIterator[str]:
    """It knows one signature: EICAR's."""
    folder = open_folder(path / "clamd")
    database = open_folder(folder / "database")
    (database / "test.ndb").write_text(f"Test.Eicar:0:*:{EICAR.hex()}\n")
    (folder / "clamd.conf").write_text(
        f"Foreground yes\nLocalSocket {folder}/socket\nDatabaseDirectory {database}\nLogFile {folder}/log\n"
    )
    program = shutil.which("clamd") or "/usr/sbin/clamd"
    async with running(program, "-c", str(folder / "clamd.conf"), ready=f"{folder}/socket"):
        yield f"unix:{folder}/socket"


@asynccontextmanager
async def milter(path: Path) -> AsyncIterator[str]:
    """The script above under Debian's Python."""
    script = path / "house_rules.py"  # no name of a module that it imports
    script.write_text(MILTER)
    address = f"unix:{path}/milter.socket"
    async with running("/usr/bin/python3", str(script), address, ready=f"{path}/milter.socket"):
        yield address


@asynccontextmanager
async def opendkim(path: Path, dns: str) -> AsyncIterator[str]:
    """As verifier, with the DNS of the test."""
    folder = open_folder(path / "opendkim")
    port = free_port()
    (folder / "opendkim.conf").write_text(
        f"Mode v\nSocket inet:{port}@127.0.0.1\nNameservers {dns.partition(':')[0]}\nPidFile {folder}/pid\n"
        f"AuthservID opendkim.example\nAlwaysAddARHeader yes\nSyslog no\nInternalHosts {folder}/none\n"
    )
    (folder / "none").write_text("192.0.2.1\n")
    program = shutil.which("opendkim") or "/usr/sbin/opendkim"
    async with running(program, "-f", "-x", str(folder / "opendkim.conf"), ready=f"127.0.0.1:{port}"):
        yield f"127.0.0.1:{port}"
