# SPDX-License-Identifier: Apache-2.0
"""`armgs oauth …`: services and programs that may ask people (OAuth 2.0), and what people have permitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_record, print_records, remark
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.directory.oauth_clients import BUILT_IN, Client
from armgs_server.errors import NotFound
from armgs_server.storage import oauth as rows
from armgs_server.xmpp.xeps.xep_0160_offline import timestamp


@click.group()
def oauth() -> None:
    """Log-in by tokens: clients, and what people have permitted them."""


@oauth.group()
def client() -> None:
    """Services and programs that an administrator has entered."""


@client.command("add")
@click.argument("identifier")
@click.argument("redirect_uris", nargs=-1, required=True)
@click.option("--name", default="", help="What people are shown.")
@click.option("--public", is_flag=True, help="A program that can keep no secret: none is made.")
@config_option
@json_option
def add(
    identifier: str,
    redirect_uris: tuple[str, ...],
    name: str,
    public: bool,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Enters a client with the places it may be answered at; its secret is shown this once."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        clients = workplace.directory.auth.oauth.clients
        made, secret = await clients.enter(identifier, name, redirect_uris, is_confidential=not public)
        return {
            "client_id": made.id,
            "client_secret": secret,
            "issuer": workplace.directory.auth.oauth.issuer,
        }

    print_record(as_json, work_on(config_path, work))


@client.command("list")
@config_option
@json_option
def list_clients(config_path: Path | None, as_json: bool) -> None:
    """All clients, those that need no entry included."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        entered = await workplace.store.read(rows.clients)
        known = {each.id for each in entered}
        every: list[rows.Client | Client] = [
            *entered,
            *(each for id_, each in BUILT_IN.items() if id_ not in known),
        ]
        return [
            {
                "client_id": each.id,
                "name": each.name,
                "secret": bool(each.secret),
                "redirects": " ".join(each.redirects),
            }
            for each in every
        ]

    columns = ("client_id", "name", "secret", "redirects")
    print_records(as_json, "Clients of OAuth 2.0", work_on(config_path, work), columns)


@client.command("remove")
@click.argument("identifier")
@config_option
def remove(identifier: str, config_path: Path | None) -> None:
    """Removes a client: it gets no more tokens."""

    async def work(workplace: Workplace) -> None:
        if not await workplace.store.write(lambda tx: rows.remove_client(tx, identifier)):
            raise NotFound(f"no client {identifier} was entered")

    work_on(config_path, work)
    remark(f"{identifier} is removed.")


@oauth.command("grants")
@click.argument("address")
@config_option
@json_option
def grants(address: str, config_path: Path | None, as_json: bool) -> None:
    """What a person has permitted."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        person = await workplace.principal(address, "person")
        return [
            {
                "id": each.id,
                "name": each.name,
                "scope": each.scope,
                "created": timestamp(each.created),
                "last_used": timestamp(each.last_used),
            }
            for each in await workplace.directory.auth.oauth.grants(person.id)
        ]

    columns = ("id", "name", "scope", "created", "last_used")
    print_records(as_json, f"Permitted by {address}", work_on(config_path, work), columns)


@oauth.command("revoke")
@click.argument("address")
@click.argument("identifier")
@config_option
def revoke(address: str, identifier: str, config_path: Path | None) -> None:
    """Takes a grant back: its tokens are void and its connections end."""

    async def work(workplace: Workplace) -> None:
        person = await workplace.principal(address, "person")
        if not await workplace.directory.auth.oauth.end(person.id, identifier):
            raise NotFound(f"{address} has no grant {identifier}")

    work_on(config_path, work)
    remark("The program is shut out.")


@oauth.command("reset-second-factor")
@click.argument("address")
@config_option
def reset_second_factor(address: str, config_path: Path | None) -> None:
    """For who has lost phone, keys and recovery codes: the password alone is enough again."""

    async def work(workplace: Workplace) -> None:
        await workplace.office.run("second-factor.reset", {"address": address})

    work_on(config_path, work)
    remark(f"{address} signs in with the password alone.")
