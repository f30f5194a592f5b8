# SPDX-License-Identifier: Apache-2.0
"""`armgs mailbox …`: mailboxes of posts and teams, who shares a mailbox, and who writes in whose name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from armgs_server.cli.output import print_record, print_records
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.directory.access import (
    EVERYTHING,
    NOTHING,
    READ_ONLY,
    READ_WRITE,
    parse_rights,
    put_grant,
    serialise_rights,
)
from armgs_server.directory.delegation import KEYS, Manner, delegate
from armgs_server.directory.model import Principal
from armgs_server.directory.posts import has_mailbox
from armgs_server.errors import NotFound
from armgs_server.storage import accounts, collections
from armgs_server.storage.tx import Tx

SETS = {"none": NOTHING, "read": READ_ONLY, "write": READ_WRITE, "all": EVERYTHING}


@click.group()
def mailbox() -> None:
    """Mailboxes of posts and teams; sharing; sending for others."""


@mailbox.command("open")
@click.argument("address")
@click.option("--name", default="", help="The post's or the team's name.")
@click.option("--member", "members", multiple=True, metavar="ADDRESS", help="Who holds it; repeatable.")
@click.option("--deputy", "deputies", multiple=True, metavar="ADDRESS", help="Who stands in; repeatable.")
@click.option("--quota", type=click.IntRange(0), default=None, help="Bytes; 0: no limit.")
@config_option
@json_option
def open_(
    address: str,
    name: str,
    members: tuple[str, ...],
    deputies: tuple[str, ...],
    quota: int | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Gives the group ADDRESS, made where there is none, mailboxes of its own.

    Its members reach them as Shared/ADDRESS/… and may send under its address for as long as they are members
    (`armgs group member-add`, `member-remove`). Its deputies may while none of its members can log in.
    """

    async def work(workplace: Workplace) -> dict[str, Any]:
        directory = workplace.directory
        group = await directory.by_address(address)
        if group is None:
            group = await directory.create_group(address, name or address.partition("@")[0])
        group = await workplace.principal(address, "group")
        numbers = [(await workplace.principal(each, "person", "group")).id for each in members]
        standing_in = [(await workplace.principal(each, "person")).id for each in deputies]
        group = await directory.open_mailbox(group, quota)
        await directory.add_members(group, numbers)
        await directory.set_deputies(group, standing_in)
        return await _describe(workplace, group)

    print_record(as_json, work_on(config_path, work))


@mailbox.command("close")
@click.argument("address")
@config_option
def close(address: str, config_path: Path | None) -> None:
    """Mail to the group ADDRESS goes to its members again; what is in its mailboxes stays there."""

    async def work(workplace: Workplace) -> None:
        await workplace.directory.close_mailbox(await workplace.principal(address, "group"))

    work_on(config_path, work)


@mailbox.command("deputies")
@click.argument("address")
@click.argument("people", nargs=-1, metavar="[PERSON]...")
@config_option
def deputies_(address: str, people: tuple[str, ...], config_path: Path | None) -> None:
    """Sets who stands in for ADDRESS while none of its members can log in; nobody where nobody is named."""

    async def work(workplace: Workplace) -> None:
        numbers = [(await workplace.principal(each, "person")).id for each in people]
        await workplace.directory.set_deputies(await workplace.principal(address, "group"), numbers)

    work_on(config_path, work)


@mailbox.command("list")
@config_option
@json_option
def list_(config_path: Path | None, as_json: bool) -> None:
    """Lists the mailboxes of posts and teams."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        return [
            await _describe(workplace, group)
            for department in await workplace.directory.departments()
            for group in await workplace.directory.groups(department.id)
            if has_mailbox(group)
        ]

    print_records(
        as_json, "", work_on(config_path, work), ("address", "name", "members", "deputies", "messages")
    )


@mailbox.command("share")
@click.argument("owner")
@click.argument("grantee")
@click.argument("rights")
@click.option("--mailbox", "path", default="INBOX", help="Which one, with what is below it.")
@config_option
def share(owner: str, grantee: str, rights: str, path: str, config_path: Path | None) -> None:
    """Lets GRANTEE, a person, group, unit or department, use a mailbox of OWNER.

    RIGHTS: read, write, all, none, or letters of RFC 4314. Clients show it as Other Users/OWNER/….
    """

    async def work(workplace: Workplace) -> None:
        whose = await workplace.principal(owner, "person", "group")
        who = await workplace.principal(grantee, "person", "group", "unit", "department")
        granted = SETS[rights] if rights in SETS else parse_rights(rights)

        async def put(tx: Tx) -> None:
            found = await collections.by_path(tx, whose.id, "mail", path.split("/"))
            if found is None:
                raise NotFound(f"{owner} has no mailbox {path}")
            await put_grant(tx, found, who.id, granted)

        await workplace.store.write(put)

    work_on(config_path, work)


@mailbox.command("shares")
@click.argument("owner")
@config_option
@json_option
def shares(owner: str, config_path: Path | None, as_json: bool) -> None:
    """Lists who may use mailboxes of OWNER, and who may send for it."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        whose = await workplace.principal(owner)
        records = []
        for found in await workplace.store.read(lambda tx: collections.all_of(tx, whose.id, "mail")):
            for grantee, rights in (await workplace.directory.access.grants(found)).items():
                who = await workplace.directory.by_id(grantee)
                address = "anyone" if who is None else who.address
                records.append({"grantee": address, "what": found.name, "rights": serialise_rights(rights)})
        for manner, key in KEYS.items():
            for number in whose.data.get(key, ()):
                who = await workplace.directory.by_id(number)
                if who is not None:
                    records.append({"grantee": who.address, "what": "send", "rights": manner})
        return records

    print_records(as_json, "", work_on(config_path, work), ("grantee", "what", "rights"))


@mailbox.command("delegate")
@click.argument("owner")
@click.argument("delegate_", metavar="DELEGATE")
@click.argument("manner", type=click.Choice(["as", "on-behalf", "none"]))
@config_option
def delegate_command(owner: str, delegate_: str, manner: str, config_path: Path | None) -> None:
    """Lets DELEGATE, a person, group or unit, send mail as OWNER, on behalf of OWNER, or not any more.

    On behalf: readers see both, the owner in From: and the delegate in Sender:.
    """

    async def work(workplace: Workplace) -> None:
        whose, who = await workplace.principal(owner), await workplace.principal(delegate_)
        await workplace.store.write(lambda tx: delegate(tx, whose, who, cast(Manner, manner)))

    work_on(config_path, work)


async def _describe(workplace: Workplace, group: Principal) -> dict[str, Any]:
    directory = workplace.directory
    usage = await workplace.store.read(lambda tx: accounts.usage(tx, group.id))
    return {
        "address": group.address,
        "name": group.name,
        "members": [each.address for each in await directory.direct_members(group)],
        "deputies": [each.address for each in await directory.deputies(group)],
        "messages": usage.items,
        "bytes": usage.bytes,
        "quota": usage.quota,
    }
