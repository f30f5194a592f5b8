# SPDX-License-Identifier: Apache-2.0
"""`armgs import …`: people, mail, chat, calendars, contacts and files from where they were before.

What cannot be taken is reported with file, line and reason; the rest goes on, and the exit code tells.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import click

from armgs_server.cli import import_chat, import_dav, import_files, import_mail, import_objects, import_users
from armgs_server.cli.dav_source import Source
from armgs_server.cli.import_ldap import ldap
from armgs_server.cli.report import Report
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on

_EXISTING = click.Path(path_type=Path)


@click.group("import")
def import_() -> None:
    """Brings in people, mail, chat, calendars, contacts and files."""


import_.add_command(ldap)


def _run(config_path: Path | None, work: Callable[[Workplace], Awaitable[Report]]) -> Report:
    """Runs an import; the store then looks at what it holds."""

    async def run(workplace: Workplace) -> Report:
        report = await work(workplace)
        await workplace.store.analyse()
        return report

    return work_on(config_path, run)


@import_.command("users")
@click.argument("file", type=_EXISTING)
@click.option("--any-password", is_flag=True, help="Take passwords as they are, against the policy.")
@config_option
@json_option
def users(file: Path, any_password: bool, config_path: Path | None, as_json: bool) -> None:
    """Adds the people of a CSV file with the columns address, password, name, unit, post (by header)."""

    async def work(workplace: Workplace) -> Report:
        return await import_users.run(workplace, file, is_taken_over=any_password)

    _run(config_path, work).finish(as_json, "people")


@import_.command("mail")
@click.argument("address")
@click.argument("path", type=_EXISTING)
@click.option("--folder", default="INBOX", help="The mailbox to import into, levels divided by `/`.")
@click.option("--crlf", is_flag=True, help="End lines with CRLF, as mail has them, where they end with LF.")
@config_option
@json_option
def mail(address: str, path: Path, folder: str, crlf: bool, config_path: Path | None, as_json: bool) -> None:
    """Adds the messages of an mbox, a Maildir or a folder of .eml files, byte for byte."""

    async def work(workplace: Workplace) -> Report:
        return await import_mail.run(workplace, address, path, folder, crlf)

    _run(config_path, work).finish(as_json, "messages")


@import_.command("calendar")
@click.argument("address")
@click.argument("files", nargs=-1, required=True, type=_EXISTING)
@click.option("--calendar", "name", default="", help="The calendar to import into, made where missing.")
@config_option
@json_option
def calendar(
    address: str, files: tuple[Path, ...], name: str, config_path: Path | None, as_json: bool
) -> None:
    """Adds the events and tasks of .ics files (a folder stands for those in it). A department's domain as
    ADDRESS means a calendar that everybody there sees, such as the one of holidays."""

    async def work(workplace: Workplace) -> Report:
        return await import_objects.run_calendar(workplace, address, files, name)

    _run(config_path, work).finish(as_json, "calendar objects")


@import_.command("contacts")
@click.argument("address")
@click.argument("files", nargs=-1, required=True, type=_EXISTING)
@click.option("--book", "name", default="", help="The address book to import into, made where missing.")
@config_option
@json_option
def contacts(
    address: str, files: tuple[Path, ...], name: str, config_path: Path | None, as_json: bool
) -> None:
    """Adds the cards of .vcf files (a folder stands for those in it)."""

    async def work(workplace: Workplace) -> Report:
        return await import_objects.run_contacts(workplace, address, files, name)

    _run(config_path, work).finish(as_json, "contacts")


@import_.command("files")
@click.argument("address")
@click.argument("path", type=_EXISTING)
@click.option("--folder", default="", help="The folder to import into, made where missing.")
@config_option
@json_option
def files(address: str, path: Path, folder: str, config_path: Path | None, as_json: bool) -> None:
    """Adds a file, or everything in a folder. A department's domain as ADDRESS means its shared folder."""

    async def work(workplace: Workplace) -> Report:
        return await import_files.run(workplace, address, path, folder)

    _run(config_path, work).finish(as_json, "files")


@import_.command("dav")
@click.argument("address")
@click.argument("url")
@click.option("--user", default="", help="The user at the other server; ADDRESS if there is a password.")
@click.option("--password-file", type=_EXISTING, help="A file whose first line is the password there.")
@click.option("--files", "folder", default=None, help="Import the files below URL, into this folder.")
@click.option("--state", "state", type=_EXISTING, help="A file that lets an import go on where it was.")
@click.option("--ca", type=_EXISTING, help="The CA of the other server, in PEM.")
@config_option
@json_option
def dav(
    address: str,
    url: str,
    user: str,
    password_file: Path | None,
    folder: str | None,
    state: Path | None,
    ca: Path | None,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Adds calendars and contacts of a CalDAV or CardDAV server, or files of a WebDAV one, and proves it."""
    password = "" if password_file is None else password_file.read_text().partition("\n")[0]

    async def work(workplace: Workplace) -> Report:
        with closing(Source(url, user or (address if password else ""), password, ca)) as source:
            return await import_dav.run(workplace, address, source, state, folder)

    _run(config_path, work).finish(as_json, "resources")


@import_.command("chat")
@click.argument("file", type=_EXISTING)
@config_option
@json_option
def chat(file: Path, config_path: Path | None, as_json: bool) -> None:
    """Adds people with contacts, history and all else of chat, from another server's export (XEP-0227)."""

    async def work(workplace: Workplace) -> Report:
        return await import_chat.run(workplace, file)

    _run(config_path, work).finish(as_json, "things")
