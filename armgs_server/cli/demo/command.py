# SPDX-License-Identifier: Apache-2.0
"""`armgs demo`: the demonstration workplace, made where there is none; `--serve` also serves it.

It listens on this machine only. The password of its people is made by chance and kept in `demo.json`.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

import click

from armgs_server import daemon
from armgs_server.cli import init
from armgs_server.cli.demo import news, people
from armgs_server.cli.demo.populate import populate
from armgs_server.cli.output import print_json, print_table, remark
from armgs_server.cli.workplace import FILE_NAME, json_option, opened
from armgs_server.config import Config, load
from armgs_server.errors import Conflict, Invalid

ACCOUNTS = "demo.json"
FORMS_FILE = "forms.toml"
LOOPBACK = ["127.0.0.1", "::1"]
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that looks like another: people type it
PASSWORD_LENGTH = 12
ACCOUNT = "ivanov@digital.example"
_OFFSET = re.compile(r"^port_offset = \d+$", re.MULTILINE)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--port-offset", type=click.IntRange(0, 59000), default=20000, help="Added to every port.")
@click.option("--hostname", default="localhost", help="The name clients connect to.")
@click.option("--listen", multiple=True, help="An address to listen on; this machine only by default.")
@click.option("--serve", "serving", is_flag=True, help="Serve it too, until interrupted.")
@json_option
def demo(
    directory: Path,
    port_offset: int,
    hostname: str,
    listen: tuple[str, ...],
    serving: bool,
    as_json: bool,
) -> None:
    """Makes the demonstration workplace in DIRECTORY, or finds it as it was left."""
    file = directory / FILE_NAME
    if not file.exists():
        create(directory, port_offset, hostname, list(listen) or LOOPBACK)
    elif not (directory / ACCOUNTS).exists():
        raise Conflict(f"{directory} holds a workplace that is no demonstration")
    else:
        move_ports(file, port_offset)
    config = load(file)
    password = json.loads((directory / ACCOUNTS).read_text())["password"]

    def show() -> None:
        print_services(config, password, as_json)

    if not serving:
        show()
        return
    click.get_current_context().exit(daemon.run(file, show))


def create(directory: Path, port_offset: int, hostname: str, listen: list[str]) -> None:
    """Makes it beside its place and renames it when it is whole: an interruption leaves no half of it."""
    remark(f"Making the demonstration workplace in {directory}")
    new = directory.with_name(f".{directory.name}.new")
    if new.exists():
        shutil.rmtree(new)
    if directory.exists():
        directory.rmdir()  # an empty one may be there; OSError where it is not empty
    server = {
        "domains": [department.domain for department in people.DEPARTMENTS],
        "hostname": hostname,
        "port_offset": port_offset,
        "listen": listen,
        "workers": 1,  # one person looks at it; a worker for each core would only take memory
    }
    departments = {department.name: [department.domain] for department in people.DEPARTMENTS}
    config = init.create(new, {"server": server, "http": {"forms": FORMS_FILE}}, departments)
    (new / FORMS_FILE).write_text(news.FORMS, encoding="utf-8")
    password = "".join(secrets.choice(LETTERS) for _ in range(PASSWORD_LENGTH))
    accounts = new / ACCOUNTS
    accounts.touch(mode=0o600)
    accounts.write_text(json.dumps({"password": password}))
    asyncio.run(_populate(config, password))
    new.rename(directory)


def move_ports(file: Path, port_offset: int) -> None:
    """Writes another offset into the configuration; everything else stays as it was left."""
    text = file.read_text(encoding="utf-8")
    moved = _OFFSET.sub(f"port_offset = {port_offset}", text, count=1)
    if not _OFFSET.search(text):
        raise Invalid(f"{file} has no line `port_offset = …`")
    if moved != text:
        file.write_text(moved, encoding="utf-8")


def services(config: Config, account: str) -> list[tuple[str, str, int]]:
    """Name, address and port of everything a client can connect to."""
    host, https = config.server.hostname, config.port(443)
    base = f"https://{host}:{https}"
    return [
        ("Start page", f"{base}/", https),
        ("IMAP (TLS)", host, config.port(993)),
        ("IMAP (STARTTLS)", host, config.port(143)),
        ("SMTP submission (TLS)", host, config.port(465)),
        ("SMTP submission (STARTTLS)", host, config.port(587)),
        ("SMTP from other servers", host, config.port(25)),
        ("ManageSieve (STARTTLS)", host, config.port(4190)),
        ("XMPP (TLS)", host, config.port(5223)),
        ("XMPP (STARTTLS)", host, config.port(5222)),
        ("CalDAV", f"{base}/dav/calendars/{account}/", https),
        ("CardDAV", f"{base}/dav/addressbooks/{account}/", https),
        ("WebDAV, own files", f"{base}/dav/files/{account}/", https),
        ("WebDAV, department's files", f"{base}/dav/files/shared/", https),
        ("HTTP (redirects, CA)", f"http://{host}:{config.port(80)}/", config.port(80)),
    ]


def print_services(config: Config, password: str, as_json: bool) -> None:
    """The one table: what is where, and who may log in."""
    ca = config.path(config.tls.ca)
    found = services(config, ACCOUNT)
    if as_json:
        record: dict[str, Any] = {
            "start_page": found[0][1],
            "ca": str(ca),
            "password": password,
            "accounts": list(people.names()),
            "services": [{"service": name, "address": at, "port": port} for name, at, port in found],
        }
        print_json(record)
        return
    rows = [(name, at, port, ACCOUNT, password) for name, at, port in found]
    caption = (
        f"All {len(people.names())} people have this password: petrova@digital.example, "
        f"sidorov@finance.example …\nClients must trust {ca} first; the start page offers it too."
    )
    print_table("", ("service", "address", "port", "account", "password"), rows, caption)


async def _populate(config: Config, password: str) -> None:
    async with opened(config, visiting=False) as workplace:
        await populate(workplace, password)
