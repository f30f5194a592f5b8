# SPDX-License-Identifier: Apache-2.0
"""A real prosody and a real ejabberd as other servers: own configuration, certificates and ports.

Neither asks the DNS: prosody is given a resolver that knows one address, ejabberd an Erlang host table.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

from tests.world import HOST, PASSWORD
from tests.xmpp.federation import Authority, names_of

START_TIMEOUT = 60.0
PEOPLE = ("orlova", "smirnov")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


class Peer:
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

    async def start(self) -> None:
        raise NotImplementedError

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
