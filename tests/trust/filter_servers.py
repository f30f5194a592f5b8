# SPDX-License-Identifier: Apache-2.0
"""rspamd, clamd and a milter as they are, on loopback: for tests that show them real mail.

The milter is a script of python3-milter (libmilter below it), told by words in the subject what to do.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
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
        start_new_session=True,  # Postfix's master wants to lead its processes
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
            os.killpg(child.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(child.wait(), 20)
            except TimeoutError:
                os.killpg(child.pid, signal.SIGKILL)
                await child.wait()


def open_folder(path: Path) -> Path:
    """A folder that a daemon which drops its rights may still write to."""
    path.mkdir()
    path.chmod(0o777)
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
  cache {{ path = "{folder}/learned.sqlite"; }}
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
async def opendkim(
    path: Path, public_keys: Mapping[str, str], signing: tuple[str, str, bytes]
) -> AsyncIterator[str]:
    """Signs for one domain (domain, selector, PEM), and verifies for the others with these keys."""
    folder = open_folder(path / "opendkim")
    port = free_port()
    domain, selector, private = signing
    (folder / "private").write_bytes(private)
    (folder / "private").chmod(0o600)
    (folder / "keys").write_text("".join(f"{name} {record}\n" for name, record in public_keys.items()))
    (folder / "opendkim.conf").write_text(
        f"Mode sv\nSocket inet:{port}@127.0.0.1\nPidFile {folder}/pid\nSyslog no\n"
        f"Domain {domain}\nSelector {selector}\nKeyFile {folder}/private\nCanonicalization relaxed/simple\n"
        f"TestPublicKeys {folder}/keys\nAuthservID opendkim.example\nAlwaysAddARHeader yes\n"
        "RequireSafeKeys no\nUMask 022\n"
    )
    program = shutil.which("opendkim") or "/usr/sbin/opendkim"
    async with running(program, "-f", "-x", str(folder / "opendkim.conf"), ready=f"127.0.0.1:{port}"):
        yield f"127.0.0.1:{port}"


@asynccontextmanager
async def postfix(
    port: int, milter_address: str, routes: Mapping[str, int | str], settings: str = ""
) -> AsyncIterator[None]:
    """Takes mail on the port, shows it to the milter, and hands it on to ports of loopback by domain.

    A route may be a transport of its own (`lmtp:inet:…`); `settings` are more lines of main.cf.
    """
    with tempfile.TemporaryDirectory(prefix="armgs-postfix-", dir="/tmp") as name:  # its users may enter it
        Path(name).chmod(0o755)
        async with _postfix(Path(name), port, milter_address, routes, settings):
            yield


@asynccontextmanager
async def _postfix(
    folder: Path, port: int, milter_address: str, routes: Mapping[str, int | str], settings: str
) -> AsyncIterator[None]:
    for part in ("conf", "data", "queue"):
        (folder / part).mkdir()
        (folder / part).chmod(0o755)
    shutil.chown(folder / "data", "postfix", "postfix")
    host, _, milter_port = milter_address.partition(":")
    (folder / "transport").write_text(
        "".join(
            f"{domain} {target if isinstance(target, str) else f'smtp:[127.0.0.1]:{target}'}\n"
            for domain, target in routes.items()
        )
    )
    (folder / "conf" / "main.cf").write_text(
        "compatibility_level = 3.6\n"
        f"queue_directory = {folder}/queue\ndata_directory = {folder}/data\n"
        "myhostname = mx.other.example\nmydestination =\nmynetworks = 127.0.0.0/8\n"
        "inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n"
        f"relay_domains = {', '.join(routes)}\nlocal_recipient_maps =\nalias_maps =\n"
        f"transport_maps = texthash:{folder}/transport\n"
        + (f"smtpd_milters = inet:{host}:{milter_port}\nmilter_default_action = tempfail\n" if host else "")
        + (settings or "smtp_tls_security_level = none\nsmtpd_tls_security_level = none\n")
        + "maillog_file = /dev/stdout\ncommand_directory = /usr/sbin\nmail_owner = postfix\n"
        "daemon_directory = /usr/lib/postfix/sbin\nsetgid_group = postdrop\n"
    )
    (folder / "conf" / "master.cf").write_text(
        f"127.0.0.1:{port} inet n - n - - smtpd\n"
        "cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\n"
        "bounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\n"
        "smtp unix - - n - - smtp\nlmtp unix - - n - - lmtp\n"
        "relay unix - - n - - smtp\nerror unix - - n - - error\n"
        "retry unix - - n - - error\nanvil unix - - n - 1 anvil\nproxymap unix - - n - - proxymap\n"
        "tlsmgr unix - - n 1000? 1 tlsmgr\npostlog unix-dgram n - n - 1 postlogd\n"
    )
    check = await asyncio.create_subprocess_exec("postfix", "-c", str(folder / "conf"), "check")
    assert await check.wait() == 0
    command = ("/usr/lib/postfix/sbin/master", "-c", str(folder / "conf"), "-s")
    async with running(*command, ready=f"127.0.0.1:{port}"):
        yield
