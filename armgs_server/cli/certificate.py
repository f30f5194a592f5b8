# SPDX-License-Identifier: Apache-2.0
"""`armgs certificate renew`: a new server certificate from the workplace's own authority."""

from __future__ import annotations

from pathlib import Path

import click

from armgs_server.cli.output import remark
from armgs_server.cli.workplace import load_config
from armgs_server.errors import Conflict
from armgs_server.net.certificates import make_certificates

MADE_BY_INIT = ("server.crt", "server.key", "ca.crt")


@click.group()
def certificate() -> None:
    """The certificate that `armgs init` has made."""


@certificate.command("renew")
@click.argument("directory", required=False, type=click.Path(path_type=Path))
def renew(directory: Path | None) -> None:
    """Signs a new certificate for host name and domains; clients that trust the CA trust it too."""
    config = load_config(directory)
    paths = [config.path(value) for value in (config.tls.certificate, config.tls.key, config.tls.ca)]
    folder = paths[0].parent
    if paths != [folder / name for name in MADE_BY_INIT] or not (folder / "ca.key").is_file():
        raise Conflict(
            "[tls] names certificates that `armgs init` has not made: renew them where they come from"
        )
    make_certificates(folder, config.server.hostname, config.server.domains)
    remark(f"{paths[0]} is new; a running daemon takes it when it is reloaded (SIGHUP, systemctl reload)")
