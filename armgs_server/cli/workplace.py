# SPDX-License-Identifier: Apache-2.0
"""The workplace a command works on: its configuration, store and directory, beside a running daemon or not.

Commands use the store as the daemon does, through the same functions; the store is opened as a visitor, so
that a daemon hears of every change.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from armgs_server.administration import Office
from armgs_server.cli.acts import CommandActs, actor
from armgs_server.config import Config, load
from armgs_server.directory import Directory
from armgs_server.directory.model import Kind, Principal
from armgs_server.errors import Denied, NotFound
from armgs_server.storage import Store
from armgs_server.storage.configured import open_store

T = TypeVar("T")

FILE_NAME = "armgs.toml"
SYSTEM_CONFIG = Path("/etc/armgs") / FILE_NAME


@dataclass(frozen=True, slots=True)
class Workplace:
    config: Config
    store: Store
    directory: Directory
    acts: CommandActs | None = None

    @property
    def office(self) -> Office:
        """Where things are done in the name of who runs the command."""
        return Office.general(self.directory, actor())

    async def principal(self, address: str, *kinds: Kind) -> Principal:
        """Who has this address; NotFound where nobody of these kinds has."""
        found = await self.directory.by_address(address)
        if found is None or (kinds and found.kind not in kinds):
            raise NotFound(f"there is no {' or '.join(kinds) or 'principal'} {address}")
        return found

    async def unit(self, department: int, name: str) -> int:
        """The number of a department's unit by its name, made where it is missing; 0 for no name."""
        if not name:
            return 0
        for unit in await self.directory.units(department):
            if unit.name.casefold() == name.casefold():
                return unit.id
        return (await self.directory.create_unit(department, name)).id


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --config, which says what workplace a command is about."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        envvar="ARMGS_CONFIG",
        help=f"The workplace's {FILE_NAME} or its folder; without it ./{FILE_NAME}, then {SYSTEM_CONFIG}.",
    )(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(command)


def config_file(path: Path | None) -> Path:
    """The configuration file that `path` means: itself, the one in that folder, or the one found."""
    if path is not None:
        return path / FILE_NAME if path.is_dir() else path
    for candidate in (Path(FILE_NAME), SYSTEM_CONFIG):
        if candidate.is_file():
            return candidate
    raise NotFound(f"no {FILE_NAME} here or in {SYSTEM_CONFIG.parent}: name it with --config")


def load_config(path: Path | None) -> Config:
    """The configuration; NotFound where there is no such file."""
    file = config_file(path)
    if not file.is_file():
        raise NotFound(f"{file} does not exist: `armgs init` makes a workplace")
    return load(file)


def check_owner(data_dir: Path) -> None:
    """Denied for root on somebody else's store: the daemon could not write what root had made in it."""
    if os.geteuid() != 0 or not data_dir.exists() or data_dir.stat().st_uid == 0:
        return
    owner = data_dir.stat().st_uid
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"#{owner}"
    raise Denied(f"{data_dir} belongs to {name}: run this as that user, with `sudo -u {name} armgs …`")


def public_url(url: str) -> str:
    """A database's URL without its password."""
    return re.sub(r"^(\w+://[^/@:]*):[^/@]*@", r"\1@", url)


@asynccontextmanager
async def opened(config: Config, *, visiting: bool = True) -> AsyncIterator[Workplace]:
    """The workplace of a configuration, open. What a command changes in it is in the journal (cli.acts)."""
    check_owner(config.data_dir)
    store = await open_store(config, visiting=visiting)
    acts = CommandActs.of_this()
    used = store if acts is None else acts.around(store)
    try:
        directory = await Directory.open(used, config)
        try:
            async with _noted(acts, store):
                yield Workplace(config, used, directory, acts)
        finally:
            await directory.close()
    finally:
        await store.close()


async def note_made(config: Config) -> None:
    """The act of the command that has made this workplace's store: restored it, or copied it from another."""
    async with opened(config, visiting=False) as workplace:
        if workplace.acts is not None:
            await workplace.acts.add(workplace.store)


@asynccontextmanager
async def _noted(acts: CommandActs | None, store: Store) -> AsyncIterator[None]:
    if acts is None:
        yield
        return
    acts.begin()
    try:
        yield
    except BaseException as error:
        await acts.end(store, error)
        raise
    await acts.end(store, None)


def work_on(path: Path | None, work: Callable[[Workplace], Awaitable[T]]) -> T:
    """Runs `work` on the workplace that --config named, to its end."""
    config = load_config(path)

    async def run() -> T:
        async with opened(config) as workplace:
            result = await work(workplace)
            if workplace.acts is not None:
                workplace.acts.result = result
            return result

    return asyncio.run(run())


def read_password() -> str:
    """The password from the first line of standard input: command lines can be seen by everybody."""
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError("no password on standard input")
    return password
