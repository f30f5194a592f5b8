# SPDX-License-Identifier: Apache-2.0
"""`armgs news …`: news of a department, who may write them, and who has read them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_record, print_records
from armgs_server.cli.times import shown
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.directory import news as directory_news
from armgs_server.directory.model import Principal
from armgs_server.errors import NotFound
from armgs_server.storage import news as rows

_LIST_LIMIT = 1000


@click.group()
def news() -> None:
    """News: on the page, as mail in the shared folder News, as Atom and in chat."""


@news.command()
@click.argument("author")
@click.argument("title")
@click.option("--text", default="", help="The text; from standard input if not given.")
@click.option("--must-read", is_flag=True, help="Everybody says to have read it; others are reminded.")
@config_option
@json_option
def post(
    author: str, title: str, text: str, must_read: bool, config_path: Path | None, as_json: bool
) -> None:
    """Publishes news of AUTHOR's department."""
    given = text or sys.stdin.read()

    async def work(workplace: Workplace) -> dict[str, Any]:
        person = await workplace.principal(author, "person")
        department = await workplace.directory.by_id(person.department)
        assert department is not None  # whom a person belongs to is there
        made = await directory_news.write(
            workplace.store, workplace.config, department, person, title, given, must=must_read
        )
        return {"id": made.id, "url": directory_news.url(workplace.config, made)}

    print_record(as_json, work_on(config_path, work))


@news.command("list")
@click.argument("domain")
@config_option
@json_option
def list_(domain: str, config_path: Path | None, as_json: bool) -> None:
    """Lists the news of the department of DOMAIN."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        department = await _department(workplace, domain)
        found = await workplace.store.read(lambda tx: rows.page(tx, department.id, limit=_LIST_LIMIT))
        return [
            {
                "id": each.id,
                "when": shown(each.created),
                "must-read": "yes" if each.must_read else "no",
                "reminders": each.reminders,
                "title": each.title,
            }
            for each in found
        ]

    print_records(as_json, "", work_on(config_path, work), ("id", "when", "must-read", "reminders", "title"))


@news.command()
@click.argument("domain")
@click.argument("number", type=int)
@config_option
@json_option
def readers(domain: str, number: int, config_path: Path | None, as_json: bool) -> None:
    """Lists who has read post NUMBER of the department of DOMAIN, and who has not."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        department = await _department(workplace, domain)
        found = await workplace.store.read(lambda tx: rows.get(tx, department.id, number))
        if found is None:
            raise NotFound(f"{domain} has no post {number}")
        everybody = await workplace.store.read(lambda tx: directory_news.acquaintance(tx, found))
        return [
            {"address": person.address, "name": person.name, "read": shown(read) if read else ""}
            for person, read in everybody
        ]

    print_records(as_json, "", work_on(config_path, work), ("address", "name", "read"))


@news.command()
@click.argument("domain")
@click.argument("number", type=int)
@config_option
def remove(domain: str, number: int, config_path: Path | None) -> None:
    """Takes post NUMBER of the department of DOMAIN back everywhere."""

    async def work(workplace: Workplace) -> None:
        department = await _department(workplace, domain)
        await directory_news.remove(workplace.store, department.id, number)

    work_on(config_path, work)


@news.command()
@click.argument("domain")
@click.argument("editors_", nargs=-1, metavar="[ADDRESS]...")
@config_option
def editors(domain: str, editors_: tuple[str, ...], config_path: Path | None) -> None:
    """Sets the people and groups who may write news of the department, beside its administrators."""

    async def work(workplace: Workplace) -> None:
        department = await _department(workplace, domain)
        ids = [(await workplace.principal(each, "person", "group", "unit")).id for each in editors_]
        await directory_news.set_editors(workplace.directory, department, ids)

    work_on(config_path, work)


async def _department(workplace: Workplace, domain: str) -> Principal:
    return await workplace.principal(domain, "department")
