# SPDX-License-Identifier: Apache-2.0
"""A world for behaviour tests: a real daemon on a temporary store, with people to log in as.

`async with World(tmp_path) as world:` runs the daemon on the test's own loop: fast, and its objects can be
reached (`world.store`, `world.directory`). With `process=True` it is a process of its own, as in real life:
`world.kill()` is kill -9, `world.stop()` a graceful stop, `world.start()` starts it again on the same store.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from armgs_server import config as configuration
from armgs_server.daemon import Daemon
from armgs_server.directory import Directory
from armgs_server.net.certificates import make_certificates
from armgs_server.settings import toml_value
from armgs_server.storage import Store

HOST = "127.0.0.1"
HOSTNAME = "localhost"
DOMAINS = ("digital.example", "finance.example")
IVANOV = "ivanov@digital.example"
PETROVA = "petrova@digital.example"
SIDOROV = "sidorov@finance.example"
PEOPLE = {IVANOV: "Иванов Иван", PETROVA: "Петрова Анна", SIDOROV: "Sidorov Sergey"}
PASSWORD = "test-password"
PORTS = {
    "smtp": 25,
    "submissions": 465,
    "submission": 587,
    "imap": 143,
    "imaps": 993,
    "pop3": 110,
    "pop3s": 995,
    "sieve": 4190,
    "ldap": 389,
    "ldaps": 636,
    "xmpp": 5222,
    "xmpps": 5223,
    "xmpp-server": 5269,
    "xmpps-server": 5270,
    "component": 5347,
    "http": 80,
    "https": 443,
}
START_TIMEOUT = 120.0  # it starts in a second or two; a busy machine is no failure
# Offsets that were given out last: whoever got one may not have bound its ports yet.
_given: deque[int] = deque(maxlen=20)
# What stores were given their people with, and their files then, 0.8 MB each.
_populated: dict[str, bytes] = {}
POPULATED_LIMIT = 20
SERVE = ("-m", "armgs_server", "serve")
# Cheap password hashes: these tests are not about them, and there are many log-ins.
SETTINGS: dict[str, dict[str, Any]] = {
    "security": {
        "allow_plaintext": True,
        "argon2_memory": 65536,
        "argon2_passes": 1,
        "scram_iterations": 4096,
        "roster_without_unit": True,
    },
    "limits": {"shutdown_timeout": 5.0},
}


class World:
    """One daemon and its people. `settings` are more lines of armgs.toml, by section."""

    def __init__(
        self,
        path: Path,
        *,
        process: bool = False,
        store_url: str = "sqlite",
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        people: Mapping[str, str] = PEOPLE,
    ) -> None:
        self.path = path / "world"
        self.process = process
        self.people = people
        self.domains = tuple(dict.fromkeys(address.rpartition("@")[2] for address in people))
        self.settings = {name: dict(values) for name, values in SETTINGS.items()}
        for name, values in (settings or {}).items():
            self.settings.setdefault(name, {}).update(values)
        self.settings.setdefault("store", {}).setdefault("url", store_url)
        self.ports: dict[str, int] = {}
        self._daemon: Daemon | None = None
        self._child: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> World:
        self.path.mkdir(parents=True)
        self.certify()
        self.configure()
        await self._populate()
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()
        if kind is not None and self.log_file.exists():
            print(self.log_file.read_text(errors="replace")[-8000:])

    # What tests ask for.

    @property
    def config(self) -> configuration.Config:
        return configuration.load(self.config_file)

    @property
    def config_file(self) -> Path:
        return self.path / "armgs.toml"

    @property
    def log_file(self) -> Path:
        return self.path / "log"

    @property
    def ca(self) -> Path:
        return self.path / "tls" / "ca.crt"

    @property
    def daemon(self) -> Daemon:
        """The daemon, when it runs on this loop."""
        assert self._daemon is not None, "the daemon is a process of its own, or stopped"
        return self._daemon

    @property
    def store(self) -> Store:
        return self.daemon.core.store

    @property
    def directory(self) -> Directory:
        return self.daemon.core.directory

    @property
    def child(self) -> asyncio.subprocess.Process:
        """The daemon, when it is a process of its own."""
        assert self._child is not None, "the daemon runs on this loop, or is stopped"
        return self._child

    @property
    def pid(self) -> int:
        return self.child.pid

    def url(self, path: str, *, secure: bool = False) -> str:
        scheme = "https" if secure else "http"
        return f"{scheme}://{HOSTNAME if secure else HOST}:{self.ports[scheme]}{path}"

    def client_context(self) -> ssl.SSLContext:
        """A client's TLS context that trusts this world's CA."""
        return ssl.create_default_context(cafile=str(self.ca))

    async def connect(
        self, service: str, *, secure: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to a service by its name in PORTS."""
        context = self.client_context() if secure else None
        return await asyncio.open_connection(
            HOST, self.ports[service], ssl=context, server_hostname=HOSTNAME if secure else None
        )

    # Life and death.

    def certify(self) -> None:
        """The world's own CA and certificate."""
        make_certificates(self.path / "tls", HOSTNAME, self.domains)

    def configure(self) -> None:
        """Writes armgs.toml, with an offset at which every port is free."""
        offset = self.settings.get("server", {}).get("port_offset") or free_offset()
        self.ports = {name: port + offset for name, port in PORTS.items()}
        server = {
            "domains": self.domains,
            "hostname": HOSTNAME,
            "port_offset": offset,
            "listen": (HOST,),
            "workers": 1,
        }
        sections = {**self.settings, "server": {**server, **self.settings.get("server", {})}}
        lines: list[str] = []
        for name, values in sections.items():
            lines += [f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in values.items())]
        self.config_file.write_text("\n".join(lines) + "\n")

    async def start(self) -> None:
        """Starts the daemon and returns when it is ready."""
        if self.process:
            await self._start_process()
        else:
            self._daemon = Daemon(self.config, self.config_file)
            try:
                await self._daemon.start([])
            except BaseException:
                await self._daemon.stop()
                raise

    async def stop(self) -> None:
        """The graceful stop (SIGTERM)."""
        if self._daemon is not None:
            daemon, self._daemon = self._daemon, None
            await daemon.stop()
        if self._child is not None:
            child, self._child = self._child, None
            if child.returncode is None:
                child.terminate()
            try:
                await asyncio.wait_for(child.wait(), START_TIMEOUT)
            except TimeoutError:
                child.kill()
                await child.wait()
                raise

    async def kill(self) -> None:
        """kill -9."""
        assert self._child is not None, "only a process can be killed"
        child, self._child = self._child, None
        child.kill()
        await child.wait()

    async def restart(self) -> None:
        """kill -9 and a new start on the same store."""
        await self.kill()
        await self.start()

    async def _start_process(self) -> None:
        address = self.path / "notify"
        address.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, self.log_file.open("ab") as output:
            notify.setblocking(False)
            notify.bind(str(address))
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                *SERVE,
                str(self.path),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=Path(__file__).parent.parent,
                env={**os.environ, "NOTIFY_SOCKET": str(address)},
            )
            try:
                await asyncio.wait_for(self._wait_ready(notify, self._child), START_TIMEOUT)
            except BaseException:
                await self.stop()
                raise

    async def _wait_ready(self, notify: socket.socket, child: asyncio.subprocess.Process) -> None:
        """Waits for READY=1, or the child's early end."""
        loop = asyncio.get_running_loop()
        ended = asyncio.ensure_future(child.wait())
        while True:
            message = asyncio.ensure_future(loop.sock_recv(notify, 4096))
            await asyncio.wait([message, ended], return_when=asyncio.FIRST_COMPLETED)
            if message.done() and b"READY=1" in message.result():
                ended.cancel()
                return
            if ended.done():
                message.cancel()
                text = self.log_file.read_text(errors="replace")
                raise AssertionError(f"the daemon ended with {ended.result()}:\n{text}")

    async def _populate(self) -> None:
        """Two departments and their people, made as the command line makes them.

        Worlds that are to be the same begin with copies of one file: most tests need nothing else.
        """
        config = self.config
        file = config.data_dir / "store.db"
        alike = repr((self.settings, self.people))
        if config.store.url == "sqlite" and alike in _populated:
            file.parent.mkdir()
            _populated[alike] = _populated.pop(alike)  # the one used last goes last
            file.write_bytes(_populated[alike])
            return
        await self._make_people(config)
        if config.store.url == "sqlite":
            if len(_populated) == POPULATED_LIMIT:
                del _populated[next(iter(_populated))]
            _populated[alike] = file.read_bytes()

    async def _make_people(self, config: configuration.Config) -> None:
        store = await Store.open(config.store.url, config.data_dir, inline_limit=config.store.inline_limit)
        try:
            directory = await Directory.open(store, config)
            try:
                for domain in self.domains:
                    await directory.create_department(domain.partition(".")[0].title(), [domain])
                for address, name in self.people.items():
                    await directory.create_person(address, name, password=PASSWORD)
            finally:
                await directory.close()
        finally:
            await store.close()


def free_offset() -> int:
    """An offset at which all ports can be bound now, below those the kernel gives to clients.

    Test processes that run side by side draw from ranges of their own: a port that was free a moment ago
    still is when the daemon binds it.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 2
    taken = {port + each for each in _given for port in PORTS.values()}
    for _ in range(100):
        offset = 8000 + 9000 * process + random.randrange(3500)
        if all(port + offset not in taken and _is_free(port + offset) for port in PORTS.values()):
            _given.append(offset)
            return offset
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, port))
        except OSError:
            return False
    return True
