# SPDX-License-Identifier: Apache-2.0
"""Bad input to a start: each a sentence that says what and what to do, exit code 2, and nothing changed.

Against real engines: PostgreSQL with passwords, NATS with a user, SeaweedFS. Of each kind one case is tried
with `armgs serve` itself, the others with what it calls.
"""

from __future__ import annotations

import asyncio
import fcntl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from armgs_server.cli.app import main
from armgs_server.config import load
from armgs_server.errors import Unusable
from armgs_server.preflight import check, claimed
from tests import nats, postgres, seaweedfs

pytestmark = pytest.mark.postgres

SERVE_TIMEOUT = 120
PASSWORD = "right-password"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
HBA = "local all armgs trust\nlocal all all scram-sha-256\n"


@dataclass(frozen=True, slots=True)
class Engines:
    """What a start may be pointed at; `url(name, user)` with the right password."""

    postgresql: postgres.Server
    bucket: str
    bus: str

    def url(self, database: str, user: str = "guest", password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@/{database}?host={self.postgresql.directory}"


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    bus = nats.Server(tmp_path_factory.mktemp("nats"), options=("--user", "armgs", "--pass", PASSWORD))
    bus.start()
    with postgres.running() as server, seaweedfs.running(tmp_path_factory.mktemp("weed")) as bucket:
        (server.directory / "data" / "pg_hba.conf").write_text(HBA)
        server.execute(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
        server.execute("CREATE ROLE limited LOGIN CONNECTION LIMIT 0 PASSWORD '" + PASSWORD + "'")
        for name in ("empty", "unowned", "strange", "newer", "damaged", "other", "mine", "standby"):
            server.execute(f"CREATE DATABASE {name} OWNER {'armgs' if name == 'unowned' else 'guest'}")
        server.execute("SELECT pg_reload_conf()")
        url = bus.url.replace("//", f"//armgs:{PASSWORD}@")
        yield Engines(server, bucket, url)
    bus.stop()


def workplace(path: Path, url: str, *, domain: str = "digital.example", more: str = "") -> Path:
    path.mkdir(exist_ok=True)
    (path / "armgs.toml").write_text(
        f'[server]\nhostname = "localhost"\nlisten = ["127.0.0.1"]\nworkers = 1\ndomains = ["{domain}"]\n'
        f'[security]\nallow_plaintext = true\n[tls]\ncertificate = ""\nkey = ""\nca = ""\n'
        f'[store]\nurl = "{url}"\n{more}'
    )
    return path


def armgs(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "armgs_server", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SERVE_TIMEOUT,
        check=False,
    )


def initialised(path: Path, url: str, domain: str = "digital.example") -> Path:
    """A workplace made by `armgs init`, its store in the database."""
    assert main(["init", str(path), "--domain", domain, "--hostname", "localhost", "--store", url]) == 0
    return path


def contents(server: postgres.Server, database: str) -> list[tuple[str, int]]:
    """Every table with the number of its rows."""

    async def read() -> list[tuple[str, int]]:
        connection = await asyncpg.connect(server.url(database))
        try:
            names = [row[0] for row in await connection.fetch(_TABLES)]
            return [(name, await connection.fetchval(f'SELECT COUNT(*) FROM "{name}"')) for name in names]
        finally:
            await connection.close()

    return asyncio.run(read())


def execute(server: postgres.Server, database: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(server.url(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def refused(path: Path, *words: str) -> None:
    """What is looked at before a start refuses it, in one sentence with these words and no password."""
    with pytest.raises(Unusable) as refusal:
        config = load(path / "armgs.toml")
        with claimed(config.data_dir):
            asyncio.run(check(config))
    check_text(refusal.value.text, *words)


def refused_by_serve(path: Path, *words: str) -> None:
    """`armgs serve` as it is started: the same sentence, and 2 as its exit code."""
    ended = armgs("serve", path)
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    check_text(ended.stderr.strip(), *words)


def check_text(text: str, *words: str) -> None:
    assert len(text.splitlines()) == 1, text
    for word in words:
        assert word in text, text
    assert PASSWORD not in text and "wrong-password" not in text and seaweedfs.SECRET not in text


Url = Callable[[Engines], str]
WRONG_DATABASES: dict[str, tuple[Url, tuple[str, ...]]] = {
    "malformed": (lambda e: "postgresql://host:port/armgs", ("[store] url", "malformed")),
    "another engine": (lambda e: "mysql://armgs@localhost/armgs", ("store.url", "postgresql://")),
    "nobody listens": (
        lambda e: "postgresql://armgs@127.0.0.1:1/armgs",
        ("database armgs at 127.0.0.1:1", "cannot be reached", "Start it"),
    ),
    "no such host": (
        lambda e: "postgresql://armgs@nowhere.invalid/armgs",
        ("nowhere.invalid", "cannot be reached", "correct host"),
    ),
    "wrong password": (
        lambda e: e.url("empty", password="wrong-password"),
        ("does not let guest in", "Correct user and password"),
    ),
    "unknown user": (lambda e: e.url("empty", "nobody"), ("does not let nobody in",)),
    "no such database": (lambda e: e.url("missing"), ("database missing", "createdb")),
    "no right to make tables": (lambda e: e.url("unowned"), ("guest may not make", "owner of the database")),
    "no connection left": (lambda e: e.url("empty", "limited"), ("no more connections", "max_connections")),
    "only standbys": (
        lambda e: e.url("standby") + "&target_session_attrs=standby",
        ("standby", "target_session_attrs"),
    ),
}


@pytest.mark.parametrize("case", WRONG_DATABASES)
def test_wrong_databases(engines: Engines, tmp_path: Path, case: str) -> None:
    url, words = WRONG_DATABASES[case]
    refuse = refused_by_serve if case in ("wrong password", "another engine") else refused
    refuse(workplace(tmp_path / "place", url(engines)), *words)
    for database in ("empty", "unowned", "standby"):
        assert contents(engines.postgresql, database) == []


def test_tables_of_something_else(engines: Engines, tmp_path: Path) -> None:
    execute(engines.postgresql, "strange", "CREATE TABLE meta (key TEXT, number BIGINT)")
    refused(workplace(tmp_path / "place", engines.url("strange")), "something else", "of its own")
    assert contents(engines.postgresql, "strange") == [("meta", 0)]


def test_a_schema_newer_than_the_program(engines: Engines, tmp_path: Path) -> None:
    place = initialised(tmp_path / "place", engines.url("newer"))
    execute(engines.postgresql, "newer", "UPDATE meta SET value = '99' WHERE name = 'schema'")
    before = contents(engines.postgresql, "newer")
    refused(place, "newer version", "schema 99", "restore a backup")
    assert contents(engines.postgresql, "newer") == before


def test_a_schema_that_lacks_something(engines: Engines, tmp_path: Path) -> None:
    place = initialised(tmp_path / "place", engines.url("damaged"))
    execute(engines.postgresql, "damaged", "ALTER TABLE item DROP COLUMN keywords")
    before = contents(engines.postgresql, "damaged")
    refused(place, "table item", "restore a backup")
    assert contents(engines.postgresql, "damaged") == before


def test_two_installations_on_one_database(engines: Engines, tmp_path: Path) -> None:
    initialised(tmp_path / "other", engines.url("other"), "finance.example")
    before = contents(engines.postgresql, "other")
    stranger = workplace(tmp_path / "stranger", engines.url("other"))
    refused_by_serve(stranger, "serves finance.example", "names digital.example", "two databases")

    mine = initialised(tmp_path / "mine", engines.url("mine"))
    toml = (mine / "armgs.toml").read_text()
    (mine / "armgs.toml").write_text(toml.replace("/mine?", "/other?"))
    refused(mine, "another installation", "two databases")
    (mine / "armgs.toml").write_text(toml.replace("/mine?", "/empty?"))
    refused(mine, "database is empty", "[store] url")
    assert contents(engines.postgresql, "other") == before
    assert contents(engines.postgresql, "empty") == []


def test_a_data_folder_in_use(tmp_path: Path) -> None:
    place = workplace(tmp_path / "place", "sqlite")
    with claimed(place / "data"):
        refused_by_serve(place, "data folder", "in use by process", "Stop that daemon")
        assert sorted(path.name for path in (place / "data").iterdir()) == ["daemon.lock"]
    with (place / "data" / "daemon.lock").open() as lock:  # free again
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    place = workplace(tmp_path / "place", "sqlite")
    (place / "data").write_text("a file")
    refused(place, "data folder", "cannot be written", "data_dir")


WRONG_BUCKETS: dict[str, tuple[Callable[[str], str], tuple[str, ...]]] = {
    "malformed": (lambda url: "http://host/bucket", ("[store] blobs is malformed", "s3://")),
    "nobody listens": (lambda url: "s3://a:b@127.0.0.1:1/armgs?tls=0", ("S3 cannot be reached", "HOST:PORT")),
    "wrong secret": (
        lambda url: url.replace(seaweedfs.SECRET, "wrong-password"),
        ("refuses the key or its secret", "KEY:SECRET"),
    ),
    "unknown key": (
        lambda url: url.replace(f"//{seaweedfs.KEY}:", "//nobody:"),
        ("refuses the key or its secret",),
    ),
    "no such bucket": (
        lambda url: url.replace(f"/{seaweedfs.BUCKET}?", "/missing?"),
        ("bucket missing", "NoSuchBucket", "Make the bucket"),
    ),
}


@pytest.mark.parametrize("case", WRONG_BUCKETS)
def test_wrong_buckets(engines: Engines, tmp_path: Path, case: str) -> None:
    wrong, words = WRONG_BUCKETS[case]
    refuse = refused_by_serve if case == "wrong secret" else refused
    refuse(workplace(tmp_path / "place", "sqlite", more=f'blobs = "{wrong(engines.bucket)}"\n'), *words)


def test_a_bucket_of_another_installation(engines: Engines, tmp_path: Path) -> None:
    more = f'blobs = "{engines.bucket}"\nbus = "nats://127.0.0.1:1"\n'
    first = workplace(tmp_path / "first", "sqlite", more=more)
    refused(first, "bus at 127.0.0.1:1")  # it has come past the bucket, which is the first one's now
    refused(workplace(tmp_path / "second", "sqlite", more=more), "belongs to another installation", "prefix")
    refused(first, "bus at 127.0.0.1:1")


WRONG_BUSES: dict[str, tuple[Callable[[str], str], tuple[str, ...]]] = {
    "malformed": (lambda url: "nats://host:port", ("bus at host:port", "[store] bus")),
    "nobody listens": (lambda url: "nats://127.0.0.1:1", ("cannot be reached", "Start it")),
    "wrong password": (
        lambda url: url.replace(PASSWORD, "wrong-password"),
        ("does not let us in", "Correct user and password"),
    ),
}


@pytest.mark.parametrize("case", WRONG_BUSES)
def test_wrong_buses(engines: Engines, tmp_path: Path, case: str) -> None:
    wrong, words = WRONG_BUSES[case]
    refuse = refused_by_serve if case in ("wrong password", "another engine") else refused
    refuse(workplace(tmp_path / "place", "sqlite", more=f'bus = "{wrong(engines.bus)}"\n'), *words)
