# SPDX-License-Identifier: Apache-2.0
"""What is looked at before a daemon serves: its data folder, database, bucket and bus, and whose they are.

Done once, by the process that was started, not by the workers it replaces later: what is lost while the
daemon runs costs time (docs/cluster.md), what was never right is said at once. Unusable says it, with what to
do, and nothing has been changed by then.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from armgs_server.config import Config
from armgs_server.directory import lookup
from armgs_server.errors import Unusable
from armgs_server.formats.addresses import normalise
from armgs_server.storage import Store
from armgs_server.storage.bus_nats import check_server
from armgs_server.storage.configured import check_bucket, open_store

LOCK = "daemon.lock"


@contextmanager
def claimed(data_dir: Path) -> Iterator[None]:
    """Keeps other daemons off the data folder for as long as this one lives; Unusable where one has it."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        handle = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unusable(
            f"the data folder {data_dir} cannot be written ({error.strerror}). Correct [server] data_dir, or"
            " give the folder to the user that this program runs as."
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "another"
            raise Unusable(
                f"the data folder {data_dir} is in use by process {holder}. Stop that daemon first, or give"
                " this one a folder of its own in [server] data_dir."
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, b"%d\n" % os.getpid(), 0)
        yield
    finally:
        os.close(handle)


async def check(config: Config) -> None:
    """Unusable unless everything the configuration names is there, lets us in, and is ours."""
    store = await open_store(config)
    try:
        await _check_domains(config, store)
        await check_bucket(config, store)
    finally:
        await store.close()
    if config.store.bus:
        await check_server(config.store.bus)


async def _check_domains(config: Config, store: Store) -> None:
    """Two configurations with nothing in common must not meet in one database."""
    served, named = await store.read(lookup.domains), config.server.domains
    if served and named and served.keys().isdisjoint(map(normalise, named)):
        raise Unusable(
            f"the database serves {', '.join(sorted(served)[:3])}, but [server] domains names"
            f" {', '.join(named[:3])}. Correct [store] url or [server] domains: two installations need two"
            " databases."
        )
