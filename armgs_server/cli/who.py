# SPDX-License-Identifier: Apache-2.0
"""`armgs who`: who is connected to this host, and with what."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from armgs_server.cli.daemon_socket import ask
from armgs_server.cli.output import print_records, remark
from armgs_server.cli.workplace import config_option, json_option, load_config

COLUMNS = ("account", "service", "peer", "tls", "connections")


@click.command()
@click.argument("account", required=False, metavar="[ADDRESS]")
@click.option("--all", "is_all", is_flag=True, help="Also who has not logged in: other servers, strangers.")
@config_option
@json_option
def who(account: str | None, is_all: bool, config_path: Path | None, as_json: bool) -> None:
    """Lists who is connected to this host by mail and chat; web and DAV requests come and go."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    for one in ask(load_config(config_path), "/connections"):
        if (one["account"] or is_all) and account in (None, one["account"]):
            found[one["account"], one["service"], one["peer"], one["tls"]] += 1
    records = [dict(zip(COLUMNS, (*key, count), strict=True)) for key, count in sorted(found.items())]
    print_records(as_json, "", records, COLUMNS)
    if not as_json:
        people = len({key[0] for key in found if key[0]})
        remark(f"{people} people, {found.total()} connections")
