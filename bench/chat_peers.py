# SPDX-License-Identifier: Apache-2.0
"""prosody and ejabberd of Debian, to be measured beside ours with the same features on: archive, carbons,
stream management, offline messages, blocking, PEP, rooms with an archive; each in its default store.

A peer whose package cannot be installed raises Missing with the reason.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from armgs_server.directory.scram import make_keys
from armgs_server.net.certificates import make_certificates
from bench.common import DOMAIN, HOST, PASSWORD, cpu_of, memory_of
from bench.peers import START_TIMEOUT, need, running, tree

ITERATIONS = 10000  # prosody's own default


@dataclass(frozen=True, slots=True)
class Target:
    """A server under measurement: where it is reached, and what its processes have used."""

    name: str
    port: int
    tls_port: int
    certificates: Path
    pids: Callable[[], list[int]]

    def cpu(self) -> float:
        return sum(map(cpu_of, self.pids()))

    def memory(self) -> float:
        return sum(map(memory_of, self.pids()))


@asynccontextmanager
async def prosody(people: int) -> AsyncIterator[Target]:
    """With files as its store, in one process."""
    need("prosody")
    with tempfile.TemporaryDirectory(prefix="bench-prosody-") as name:
        folder = Path(name)
        ports = _prepare(folder)
        accounts = folder / "data" / DOMAIN.replace(".", "%2e") / "accounts"
        accounts.mkdir(parents=True)
        account = _prosody_account()
        for number in range(people):
            (accounts / f"user{number}.dat").write_text(account)
        (folder / "prosody.cfg.lua").write_text(_PROSODY % {"folder": folder, "domain": DOMAIN, **ports})
        command = ("prosody", "--config", str(folder / "prosody.cfg.lua"), "--root", "-F")
        async with running(folder, ports["tls_port"], command) as pid:
            yield _target("prosody", folder, ports, pid)


@asynccontextmanager
async def ejabberd(people: int) -> AsyncIterator[Target]:
    """With Mnesia as its store, in an Erlang node that no other can reach."""
    need("ejabberd")
    with tempfile.TemporaryDirectory(prefix="bench-ejabberd-") as name:
        folder = Path(name)
        ports = _prepare(folder)
        parts = [folder / "tls" / part for part in ("server.crt", "server.key")]
        (folder / "all.pem").write_bytes(b"".join(part.read_bytes() for part in parts))
        (folder / "ejabberd.yml").write_text(_EJABBERD % {"folder": folder, "domain": DOMAIN, **ports})
        apps = {path.parent.resolve() for path in Path("/usr/lib").glob("*/ejabberd-*/ebin/ejabberd.app")}
        ebin = min(apps)
        register = (
            '[ejabberd_auth:try_register(<<"user", (integer_to_binary(N))/binary>>,'
            f' <<"{DOMAIN}">>, <<"{PASSWORD}">>) || N <- lists:seq(0, {people - 1})],'
            f' file:write_file("{folder}/ready", <<>>).'
        )
        command = (
            *("erl", "-noinput", "+K", "true", "+P", "1000000", "-pa", str(ebin)),
            *("-mnesia", "dir", f'"{folder}/spool"', "-s", "ejabberd", "-eval", register),
        )
        environment = {
            "EJABBERD_CONFIG_PATH": str(folder / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(folder / "log"),
            "HOME": str(folder),
            "ERL_CRASH_DUMP_SECONDS": "0",
        }
        async with running(folder, ports["tls_port"], command, environment) as pid:
            async with asyncio.timeout(START_TIMEOUT):
                while not (folder / "ready").exists():  # noqa: ASYNC110 - another program's file
                    await asyncio.sleep(0.1)
            yield _target("ejabberd", folder, ports, pid)


def _prosody_account() -> str:
    """What prosody keeps of the password, the same for all."""
    salt = "3f1f9f4e-7c2b-4d0e-9d2e-000000000001"
    keys = make_keys("sha1", PASSWORD.encode(), salt.encode(), ITERATIONS)
    return (
        f'return {{ ["iteration_count"] = {ITERATIONS}; ["salt"] = "{salt}";'
        f' ["stored_key"] = "{keys.stored_key.hex()}"; ["server_key"] = "{keys.server_key.hex()}"; }};\n'
    )


def _prepare(folder: Path) -> dict[str, int]:
    """Certificates, and two free ports."""
    make_certificates(folder / "tls", "localhost", [DOMAIN])
    with socket.socket() as plain, socket.socket() as tls:
        plain.bind((HOST, 0))
        tls.bind((HOST, 0))
        return {"port": plain.getsockname()[1], "tls_port": tls.getsockname()[1]}


def _target(name: str, folder: Path, ports: Mapping[str, int], pid: int) -> Target:
    return Target(name, ports["port"], ports["tls_port"], folder / "tls", lambda: tree(pid))


_PROSODY = """
data_path = "%(folder)s/data"
pidfile = "%(folder)s/prosody.pid"
run_as_root = true
log = { warn = "%(folder)s/log" }
interfaces = { "127.0.0.1" }
c2s_ports = { %(port)d }
c2s_direct_tls_ports = { %(tls_port)d }
s2s_ports = {}
modules_enabled = {
	"roster", "saslauth", "tls", "disco", "ping", "time", "version", "vcard4", "vcard_legacy", "private",
	"pep", "bookmarks", "blocklist", "offline", "carbons", "smacks", "csi_simple", "mam"
}
modules_disabled = { "s2s" }
authentication = "internal_hashed"
c2s_require_encryption = false
default_archive_policy = true
network_settings = { tcp_backlog = 4096 }
ssl = { certificate = "%(folder)s/tls/server.crt", key = "%(folder)s/tls/server.key" }
c2s_direct_tls_ssl = { certificate = "%(folder)s/tls/server.crt", key = "%(folder)s/tls/server.key" }
VirtualHost "%(domain)s"
Component "conference.%(domain)s" "muc"
	modules_enabled = { "muc_mam" }
	muc_log_by_default = true
	muc_room_default_persistent = true
"""

_EJABBERD = """
hosts: [%(domain)s]
loglevel: error
log_rotate_count: 0
certfiles: ["%(folder)s/all.pem"]
auth_method: internal
auth_password_format: scram
disable_sasl_mechanisms: [digest-md5, X-OAUTH2]
listen:
  - {port: %(port)d, ip: 127.0.0.1, module: ejabberd_c2s, access: all, backlog: 4096, starttls: false}
  - {port: %(tls_port)d, ip: 127.0.0.1, module: ejabberd_c2s, access: all, backlog: 4096, tls: true}
modules:
  mod_adhoc: {}
  mod_blocking: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_disco: {}
  mod_mam: {db_type: mnesia, default: always, assume_mam_usage: true}
  mod_muc:
    host: conference.@HOST@
    access_create: all
    max_users: 1000
    default_room_options: {persistent: true, mam: true, max_users: 1000}
  mod_offline: {}
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_pubsub: {plugins: [flat, pep]}
  mod_push: {}
  mod_roster: {versioning: true}
  mod_stream_mgmt: {resend_on_timeout: if_offline}
  mod_time: {}
  mod_vcard: {}
  mod_version: {}
"""
