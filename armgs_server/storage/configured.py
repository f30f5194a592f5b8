# SPDX-License-Identifier: Apache-2.0
"""The store that a configuration names, and the checks that it is this installation's own.

Where the database is a server, the data folder holds a file with the installation's id, and so does the
bucket: a wrong URL then meets a refusal, not somebody else's data.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from armgs_server.config import Config
from armgs_server.errors import Invalid, Unusable
from armgs_server.storage import Store
from armgs_server.storage.blob_objects import Objects
from armgs_server.storage.bus import Bus
from armgs_server.storage.migrations import INSTALLATION
from armgs_server.storage.tx import Options


async def open_store(config: Config, *, bus: Bus | None = None, visiting: bool = False) -> Store:
    """Opens `[store]`; Unusable says what is wrong with it and what to do. See Store.open."""
    settings = config.store
    file = config.data_dir / INSTALLATION
    store = await Store.open(
        settings.url,
        config.data_dir,
        bus=bus,
        blob_engine=_objects(config),
        inline_limit=settings.inline_limit,
        visiting=visiting,
        options=Options(
            connections=settings.connections,
            timeout=settings.timeout,
            replicas=settings.replicas,
            replica_lag=settings.replica_lag,
        ),
        installation=_noted(file) if settings.url != "sqlite" else "",
    )
    if settings.url != "sqlite" and not file.exists():
        file.write_text(store.installation + "\n", "ascii")
    return store


async def check_bucket(config: Config, store: Store) -> None:
    """Unusable unless the bucket can be written and is this installation's; an unmarked one is marked."""
    objects = _objects(config)
    if objects is None:
        return
    found = await asyncio.to_thread(objects.claim, store.installation)
    if found != store.installation:
        raise Unusable(
            f"the bucket of [store] blobs ({objects.name}) belongs to another installation, and each would"
            " remove what the other needs. Give this one a bucket or prefix of its own; if the other is gone"
            f" for ever, remove the object {INSTALLATION} from it."
        )


def _objects(config: Config) -> Objects | None:
    try:
        return Objects(config.store.blobs) if config.store.blobs else None
    except Invalid as error:
        raise Unusable(f"[store] blobs is malformed: {error.text}") from error


def _noted(file: Path) -> str:
    return file.read_text("ascii").strip() if file.exists() else ""
