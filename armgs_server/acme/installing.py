# SPDX-License-Identifier: Apache-2.0
"""The certificate that lies in the store, put in place in this process, whoever has ordered it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from armgs_server import log
from armgs_server.errors import DomainError
from armgs_server.service import Core
from armgs_server.storage import acme

LOOK: Final = 600.0  # seconds: a hint that was lost costs so much time

_log = log.get("acme")


class Installing:
    """From `start` to `stop`."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._shown: bytes | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        """Puts in place what is there, and goes on doing so."""
        self._unsubscribe = self._core.store.bus.subscribe(acme.TOPIC, lambda _: self._wake.set())
        await self._look()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="certificate")

    async def stop(self) -> None:
        """Ends."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._wake.wait()
            self._wake.clear()
            await self._look()

    async def _look(self) -> None:
        config = self._core.config
        if not config.tls.acme_directory:
            return
        try:
            found = await self._core.store.read(acme.certificate)
            if found is None or found == self._shown:
                return
            is_new = await asyncio.to_thread(write_if_other, config.acme_file, found)
            if self._core.tls is not None:  # whoever wrote the file: this process's contexts are its own
                self._core.tls.reload(*config.certificate_files)
            self._shown = found
        except (DomainError, OSError) as error:
            _log.error("the new certificate is not in place, will be tried again", error=error)
            return
        if is_new:
            _log.info("certificate in place", file=config.acme_file)


def write_if_other(path: Path, data: bytes) -> bool:
    """The file has the data, for its owner alone, whole at any moment; whether it had something else."""
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == data:
            return False
    made = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
    return True
