# SPDX-License-Identifier: Apache-2.0
"""`armgs converse install`: chat in the browser, from the package of Converse.js that one has fetched."""

from __future__ import annotations

from pathlib import Path

import click

from armgs_server.cli.output import remark
from armgs_server.cli.workplace import load_config
from armgs_server.portal import converse as bundle
from armgs_server.portal.webchat import FOLDER


@click.group()
def converse() -> None:
    """Chat in the browser, by Converse.js."""


_HELP = f"Serves {bundle.PACKAGE} (`npm pack converse.js@{bundle.VERSION}`) at /chat/."


@converse.command("install", help=_HELP)
@click.argument("package", type=click.Path(path_type=Path))
@click.argument("directory", required=False, type=click.Path(path_type=Path))
def install(package: Path, directory: Path | None) -> None:
    config = load_config(directory)
    count = bundle.install(package, config.data_dir / FOLDER)
    remark(f"Converse.js {bundle.VERSION}: {count} files; /chat/ is served from now on, without a restart")
