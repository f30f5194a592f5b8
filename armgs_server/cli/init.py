# SPDX-License-Identifier: Apache-2.0
"""`armgs init`: a new workplace in an empty place: configuration, certificates, store, a department for each
domain."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_record
from armgs_server.cli.workplace import FILE_NAME, json_option, opened, public_url
from armgs_server.config import Config, load
from armgs_server.errors import AlreadyExists, Invalid
from armgs_server.formats.addresses import normalise_domain
from armgs_server.net.certificates import make_certificates
from armgs_server.settings import toml_value


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--domain", "domains", multiple=True, required=True, help="A domain to serve; repeatable.")
@click.option("--hostname", default="", help="The name clients connect to; this machine's by default.")
@click.option("--port-offset", type=click.IntRange(0, 59000), default=0, help="Added to every standard port.")
@click.option("--store", "store_url", default="", help="`postgresql://…` instead of SQLite in the folder.")
@json_option
def init(
    directory: Path,
    domains: tuple[str, ...],
    hostname: str,
    port_offset: int,
    store_url: str,
    as_json: bool,
) -> None:
    """Makes a new workplace in DIRECTORY, with a certificate authority of its own."""
    names = [normalise_domain(domain) for domain in domains]
    server = {
        "domains": names,
        "hostname": hostname or default_hostname(),
        "port_offset": port_offset,
    }
    tables: dict[str, Mapping[str, Any]] = {"server": server}
    if store_url:
        tables["store"] = {"url": store_url}
    config = create(directory, tables, {name: [name] for name in names})
    print_record(
        as_json,
        {
            "configuration": str(directory / FILE_NAME),
            "domains": names,
            "hostname": config.server.hostname,
            "ca": str(config.path(config.tls.ca)),
            "next": f"armgs user add SOMEBODY@{names[0]} --password-stdin --config {directory}",
        },
    )


def create(
    directory: Path, tables: Mapping[str, Mapping[str, Any]], departments: Mapping[str, Sequence[str]]
) -> Config:
    """A workplace with these settings and departments (name: domains). Leaves nothing when it fails."""
    file = directory / FILE_NAME
    if file.exists():
        raise AlreadyExists(f"{file} exists already")
    new_directory = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    try:
        made.append(file)
        file.touch(mode=0o600)  # a database's password may stand in it
        file.write_text(settings_text(tables), encoding="utf-8")
        config = load(file)
        certificates = config.path(config.tls.certificate).parent
        for folder in (config.data_dir, certificates):
            if folder.exists() and (folder == certificates or any(folder.iterdir())):
                raise AlreadyExists(f"{folder} exists already")
            if not folder.exists():  # a package makes an empty data folder
                made.append(folder)
        make_certificates(certificates, config.server.hostname, config.server.domains)
        certificates.chmod(0o700)
        config.data_dir.mkdir(mode=0o700, exist_ok=True)
        asyncio.run(_create_departments(config, departments))
    except BaseException:
        _undo(made)
        if new_directory and not any(directory.iterdir()):
            directory.rmdir()
        raise
    return config


def settings_text(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """A configuration file with these settings only."""
    lines = ["# Settings of this workplace. `armgs config describe` explains every setting there is.", ""]
    for name, settings in tables.items():
        lines += [f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in settings.items()), ""]
    return "\n".join(lines)


def default_hostname() -> str:
    """This machine's full name where it has one."""
    name = socket.getfqdn().lower()
    return name if "." in name and name != "localhost.localdomain" else "localhost"


async def _create_departments(config: Config, departments: Mapping[str, Sequence[str]]) -> None:
    async with opened(config, visiting=False) as workplace:
        if workplace.directory.domains:
            raise Invalid(f"the database {public_url(config.store.url)} holds a workplace already")
        for name, domains in departments.items():
            await workplace.directory.create_department(name, domains)


def _undo(made: list[Path]) -> None:
    # A folder that was there before is the reason of the error, and not ours to remove: it is not in `made`.
    for path in made:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
