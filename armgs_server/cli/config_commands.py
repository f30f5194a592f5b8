# SPDX-License-Identifier: Apache-2.0
"""`armgs config describe` and `armgs config check`."""

from __future__ import annotations

from pathlib import Path

import click

from armgs_server import reload
from armgs_server.cli.output import remark
from armgs_server.cli.workplace import config_file, config_option, load_config
from armgs_server.config import Config, describe


@click.group()
def config() -> None:
    """The configuration: all settings explained, and whether a file is good."""


@config.command("describe")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="Show this file's values instead of the defaults.",
)
def describe_(config_path: Path | None) -> None:
    """Prints every setting with its meaning, bounds and value, as a configuration file."""
    shown = load_config(config_path) if config_path is not None else Config(directory=Path("."))
    click.echo(describe(shown), nl=False)


@config.command("check")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@config_option
def check(path: Path | None, config_path: Path | None) -> None:
    """Reads a configuration file (or that of a workplace's folder), as a reload does; says what is wrong."""
    chosen = path or config_path
    reload.check(load_config(chosen))
    remark(f"{config_file(chosen)} is good")
