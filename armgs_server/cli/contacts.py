# SPDX-License-Identifier: Apache-2.0
"""`armgs contact …`: people elsewhere whom a department's address book shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from armgs_server.administration import contacts
from armgs_server.cli.import_users import read
from armgs_server.cli.output import Bar, print_record, print_records
from armgs_server.cli.report import Report, reason
from armgs_server.cli.users import confirm
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.errors import DomainError, NotFound

COLUMNS: Final = ("name", "organisation", "post", "telephone", "mobile", "family", "given", "additional")
_SHOWN: Final = ("number", "name", "mails", "organisation", "telephone")
_EXISTING: Final = click.Path(path_type=Path)
_TEXTS: Final = {
    "name": "The full name.",
    "organisation": "Where the contact works.",
    "post": "The title.",
    "telephone": "The telephone at work.",
    "mobile": "The mobile telephone.",
}


def _texts(command: Any) -> Any:
    for name, text in _TEXTS.items():
        command = click.option(f"--{name}", default=None, help=text)(command)
    return command


@click.group()
def contact() -> None:
    """Outside contacts: add, list, change, delete, import. They cannot log in."""


@contact.command("add")
@click.argument("domain")
@click.argument("mails", nargs=-1, required=True, metavar="ADDRESS...")
@_texts
@click.option("--unit", type=click.IntRange(min=1), help="The number of the unit in whose book it is, too.")
@config_option
@json_option
def add(
    domain: str, mails: tuple[str, ...], config_path: Path | None, as_json: bool, **texts: str | int | None
) -> None:
    """Adds a contact of the department of DOMAIN, who is reached at these addresses."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        given = {"domain": domain, "mails": list(mails), **_given(texts)}
        made: dict[str, Any] = await workplace.office.run("contacts.create", given)
        return made

    print_record(as_json, work_on(config_path, work))


@contact.command("list")
@click.option("--domain", default="", help="Of this department alone.")
@config_option
@json_option
def list_(domain: str, config_path: Path | None, as_json: bool) -> None:
    """Lists contacts."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            given = {"domain": domain, "after": found[-1]["number"] if found else 0, "limit": 1000}
            page = (await workplace.office.run("contacts.list", given))["contacts"]
            if not page:
                return found
            found += page

    records = work_on(config_path, work)
    shown = records if as_json else [each | {"mails": " ".join(each["mails"])} for each in records]
    print_records(as_json, "", shown, _SHOWN)


@contact.command("change")
@click.argument("number", type=click.IntRange(min=1))
@click.option(
    "--mail", "mails", multiple=True, metavar="ADDRESS", help="Instead of those before; repeatable."
)
@_texts
@click.option("--unit", type=click.IntRange(min=0), help="The number of the unit; 0 is none.")
@config_option
@json_option
def change(
    number: int, mails: tuple[str, ...], config_path: Path | None, as_json: bool, **texts: str | int | None
) -> None:
    """Changes a contact; an empty text removes what was there."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        given = {"contact": number, **_given(texts), **({"mails": list(mails)} if mails else {})}
        changed: dict[str, Any] = await workplace.office.run("contacts.change", given)
        return changed

    print_record(as_json, work_on(config_path, work))


@contact.command("delete")
@click.argument("number", type=click.IntRange(min=1))
@click.option("--yes", is_flag=True, help="Do not ask at a terminal.")
@config_option
def delete(number: int, yes: bool, config_path: Path | None) -> None:
    """Deletes a contact."""
    confirm(f"Delete the contact {number}?", yes)

    async def work(workplace: Workplace) -> None:
        await workplace.office.run("contacts.remove", {"contact": number})

    work_on(config_path, work)


@contact.command("import")
@click.argument("domain")
@click.argument("file", type=_EXISTING)
@config_option
@json_option
def import_(domain: str, file: Path, config_path: Path | None, as_json: bool) -> None:
    """Adds the contacts of a CSV file: columns address (several divided by spaces), name, organisation, post,
    telephone, mobile, family, given, additional. Who has the first address already is changed."""

    async def work(workplace: Workplace) -> Report:
        return await run(workplace, domain, file)

    work_on(config_path, work).finish(as_json, "contacts")


async def run(workplace: Workplace, domain: str, file: Path) -> Report:
    """A row that cannot be taken is reported, the next one goes on."""
    report = Report()
    header, rows = read(file)
    report.ignored = [f"{file}: column {name}" for name in header if name not in ("address", *COLUMNS)]
    department = workplace.directory.domains.get(domain)
    if department is None:
        raise NotFound(f"{domain} is not a domain of this server")
    with Bar("Adding contacts", len(rows)) as bar:
        for line, row in rows:
            try:
                await _take(workplace, domain, department, row)
                report.accepted += 1
            except DomainError as error:
                report.refuse(file, line, reason(error))
            bar.advance(1)
    return report


async def _take(workplace: Workplace, domain: str, department: int, row: dict[str, str]) -> None:
    mails = row["address"].split()
    given: dict[str, Any] = {name: row[name] for name in COLUMNS if row.get(name)} | {"mails": mails}
    first = mails[0] if mails else ""
    number = await workplace.store.read(lambda tx: contacts.number_of(tx, department, first))
    if number:
        await workplace.office.run("contacts.change", {"contact": number, **given})
    else:
        await workplace.office.run("contacts.create", {"domain": domain, **given})


def _given(texts: dict[str, str | int | None]) -> dict[str, str | int]:
    return {name: value for name, value in texts.items() if value is not None}
