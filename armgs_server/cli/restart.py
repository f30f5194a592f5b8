# SPDX-License-Identifier: Apache-2.0
"""`armgs restart --rolling`: new workers for old ones, one by one, without a refused connection."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import click

from armgs_server.cli.output import remark
from armgs_server.cli.workplace import config_option, load_config
from armgs_server.errors import Conflict, NotFound, Temporary
from armgs_server.supervisor import PidFile

# A worker starts within seconds; a store that is being migrated may take longer.
TIMEOUT_EACH = 90.0
POLL = 0.1


@click.command()
@click.option("--rolling", is_flag=True, required=True, help="Replace the workers one by one.")
@config_option
def restart(rolling: bool, config_path: Path | None) -> None:
    """Replaces the workers of the running daemon; each new one serves before its predecessor stops."""
    config = load_config(config_path)
    file = PidFile(config.data_dir)
    pid, before = file.pid(), file.generation()
    if pid is None:
        raise NotFound(f"no daemon serves {config.directory}")
    workers = file.workers()
    if workers == 1:
        raise Conflict("one worker cannot be replaced while it serves: set server.workers to 2 or more")
    os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + TIMEOUT_EACH * workers
    while file.generation() == before:
        if file.pid() != pid or time.monotonic() > deadline:
            raise Temporary("the workers were not replaced; the daemon's log says why")
        time.sleep(POLL)
    remark(f"{workers} workers replaced")
