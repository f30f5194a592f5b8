# SPDX-License-Identifier: Apache-2.0
"""`armgs serve`: runs the daemon in the foreground, as systemd starts it."""

from __future__ import annotations

from pathlib import Path

import click

from armgs_server import daemon
from armgs_server.cli.workplace import config_file, config_option, load_config


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@config_option
def serve(directory: Path | None, config_path: Path | None) -> None:
    """Serves the workplace in DIRECTORY (or that of --config) until it is told to stop."""
    chosen = directory or config_path
    load_config(chosen)  # what is wrong with it has an exit code of its own
    click.get_current_context().exit(daemon.run(config_file(chosen)))
