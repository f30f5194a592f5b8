# SPDX-License-Identifier: Apache-2.0
"""A real prosody and a real ejabberd as other servers: own configuration, certificates and ports.

Prosody is given a resolver that knows one address, ejabberd a name server of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from tests.name_server import name_server
from tests.world import HOST, PASSWORD
from tests.xmpp.federation import Authority, names_of

START_TIMEOUT = 60.0
PEOPLE = ("orlova", "smirnov")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


class Peer(ABC):
    """A server of one domain; `connect` makes it look like a world to the test client."""

    domain = ""

    def __init__(self, folder: Path, authority: Authority, our_port: int) -> None:
        self.folder = folder
        self.authority = authority
        self.our_port = our_port  # where it finds us
        self.c2s, self.s2s = free_port(), free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> Path:
        return self.folder / "log"

    async def __aenter__(self) -> Peer:
        self.folder.mkdir(parents=True)
        self.authority.certify(self.folder, names_of([self.domain]))
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()
        if error[0] is not None and self.log.exists():
            print(self.log.read_text(errors="replace")[-12000:])

    @abstractmethod
    async def start(self) -> None:
        """Configures and launches it, with PEOPLE to log in as."""

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def connect(
        self, service: str, *, secure: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        assert service == "xmpp" and not secure
        return await asyncio.open_connection(HOST, self.c2s)

    async def run(self, *command: str, env: Mapping[str, str] = {}) -> str:
        """A command that must succeed; what it printed."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env={**os.environ, **env},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), START_TIMEOUT)
        text = output.decode(errors="replace")
        assert process.returncode == 0, text
        return text

    async def launch(self, *command: str, env: Mapping[str, str] = {}) -> None:
        """The server itself, in a group of its own; returns when clients can connect."""
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self.folder,
                env={**os.environ, **env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        async with asyncio.timeout(START_TIMEOUT):
            while not await self._is_listening():
                assert self._process.returncode is None, self.log.read_text(errors="replace")[-4000:]
                await asyncio.sleep(0.1)

    async def _is_listening(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(HOST, self.c2s)
        except OSError:
            return False
        writer.close()
        return True


class Prosody(Peer):
    """Debian's prosody; `is_secure`: certificates are required, else dialback is enough."""

    domain = "prosody.example"

    def __init__(self, folder: Path, authority: Authority, our_port: int, *, is_secure: bool = True) -> None:
        super().__init__(folder, authority, our_port)
        self.is_secure = is_secure

    async def start(self) -> None:
        plugins = self.folder / "plugins"
        plugins.mkdir()
        (plugins / "mod_one_address.lua").write_text(_ONE_ADDRESS % self.our_port)
        configuration = self.folder / "prosody.cfg.lua"
        configuration.write_text(
            _PROSODY
            % {
                "folder": self.folder,
                "c2s": self.c2s,
                "s2s": self.s2s,
                "ca": self.authority.path,
                "secure": "true" if self.is_secure else "false",
                "extra": "" if self.is_secure else '"s2s_auth_certs",',
                "domain": self.domain,
            }
        )
        for person in PEOPLE:
            await self.run(
                "prosodyctl",
                "--config",
                str(configuration),
                "--root",
                "register",
                person,
                self.domain,
                PASSWORD,
            )
        await self.launch("prosody", "--config", str(configuration), "--root", "-F")


class Ejabberd(Peer):
    """Debian's ejabberd, in an Erlang node that no other can reach; certificates are required."""

    domain = "ejabberd.example"

    def __init__(self, folder: Path, authority: Authority, our_port: int) -> None:
        super().__init__(folder, authority, our_port)
        self._stack = AsyncExitStack()
        self.name_server = ""

    async def __aenter__(self) -> Peer:
        names = names_of(["digital.example"])
        records: dict[tuple[str, str], list[str]] = {}
        for name in names:
            records[f"_xmpp-server._tcp.{name}.", "SRV"] = [f"0 0 {self.our_port} localhost."]
        self.name_server = await self._stack.enter_async_context(name_server(records))
        return await super().__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        await self._stack.aclose()

    async def start(self) -> None:
        certificate = self.folder / "all.pem"
        parts = [self.folder / "server.crt", self.authority.path, self.folder / "server.key"]
        certificate.write_bytes(b"".join(part.read_bytes() for part in parts))
        configuration, inetrc = self.folder / "ejabberd.yml", self.folder / "inetrc"
        configuration.write_text(
            _EJABBERD
            % {
                "domain": self.domain,
                "certificate": certificate,
                "ca": self.authority.path,
                "c2s": self.c2s,
                "s2s": self.s2s,
            }
        )
        inetrc.write_text(_INETRC % self.name_server.rpartition(":")[2])
        (ebin,) = {path.resolve().parent for path in Path("/usr/lib").glob("*/ejabberd-*/ebin/ejabberd.app")}
        register = "".join(
            f'ejabberd_auth:try_register(<<"{person}">>, <<"{self.domain}">>, <<"{PASSWORD}">>),'
            for person in PEOPLE
        )
        await self.launch(
            *("erl", "-noinput", "-pa", str(ebin), "-kernel", "inetrc", f'"{inetrc}"'),
            *("-mnesia", "dir", f'"{self.folder}/spool"', "-s", "ejabberd", "-eval", f"{register} ok."),
            env={
                "EJABBERD_CONFIG_PATH": str(configuration),
                "EJABBERD_LOG_PATH": str(self.log),
                "HOME": str(self.folder),
                "ERL_CRASH_DUMP_SECONDS": "0",
            },
        )


_ONE_ADDRESS = """
-- Every other server is at this address.
local service = require "net.resolvers.service";
service.new = function (hostname, name, kind, extra)
	local left = name == "xmpp-server" and 1 or 0;
	return {
		next = function (self, found)
			if left == 0 then return found(nil); end
			left = 0;
			return found("tcp4", "127.0.0.1", %d, extra);
		end;
	};
end
"""

_PROSODY = """
plugin_paths = { "%(folder)s/plugins" }
data_path = "%(folder)s/data"
pidfile = "%(folder)s/prosody.pid"
run_as_root = true
log = { debug = "%(folder)s/log" }
interfaces = { "127.0.0.1" }
c2s_ports = { %(c2s)d }
s2s_ports = { %(s2s)d }
c2s_direct_tls_ports = {}
s2s_direct_tls_ports = {}
modules_enabled = {
	"roster", "saslauth", "tls", "dialback", "disco", "ping", "vcard_legacy", "pep", "carbons", "mam",
	"s2s_bidi", "one_address"
}
modules_disabled = { %(extra)s }
authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
s2s_require_encryption = true
s2s_secure_auth = %(secure)s
ssl = { certificate = "%(folder)s/server.crt", key = "%(folder)s/server.key", cafile = "%(ca)s" }
VirtualHost "%(domain)s"
Component "conference.%(domain)s" "muc"
	modules_enabled = { "muc_mam" }
	muc_room_default_persistent = true
	muc_room_locking = false
"""

_INETRC = """
{resolv_conf, ""}.
{hosts_file, ""}.
{lookup, [dns]}.
{nameserver, {127,0,0,1}, %s}.
"""

_EJABBERD = """
hosts: [%(domain)s]
loglevel: debug
log_rotate_count: 0
certfiles: [%(certificate)s]
ca_file: %(ca)s
s2s_use_starttls: required
s2s_cafile: %(ca)s
s2s_dns_retries: 2
s2s_dns_timeout: 10 seconds
outgoing_s2s_families: [ipv4]
auth_method: internal
listen:
  - {port: %(c2s)d, ip: 127.0.0.1, module: ejabberd_c2s, access: all}
  - {port: %(s2s)d, ip: 127.0.0.1, module: ejabberd_s2s_in}
modules:
  mod_caps: {}
  mod_disco: {}
  mod_mam: {db_type: mnesia}
  mod_muc:
    host: conference.@HOST@
    access_create: all
    default_room_options: {persistent: true, mam: true}
  mod_ping: {}
  mod_roster: {}
  mod_vcard: {}
"""
