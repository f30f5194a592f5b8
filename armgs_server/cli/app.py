# SPDX-License-Identifier: Apache-2.0
"""The command `armgs`: its subcommands, and how errors become messages and exit codes."""

from __future__ import annotations

import sys

import click

from armgs_server import __version__
from armgs_server.cli import exit as exit_codes
from armgs_server.cli.absence import absence
from armgs_server.cli.administrators import administrator
from armgs_server.cli.backup_commands import backup
from armgs_server.cli.certificate import certificate
from armgs_server.cli.check import check
from armgs_server.cli.config_commands import config
from armgs_server.cli.contacts import contact
from armgs_server.cli.converse import converse
from armgs_server.cli.demo.command import demo
from armgs_server.cli.dkim import dkim
from armgs_server.cli.dns import dns_group
from armgs_server.cli.do import do, verbs
from armgs_server.cli.doctor import doctor
from armgs_server.cli.export import export
from armgs_server.cli.groups import group
from armgs_server.cli.holds import hold
from armgs_server.cli.imports import import_
from armgs_server.cli.init import init
from armgs_server.cli.invitations import invitation
from armgs_server.cli.journal import journal
from armgs_server.cli.kick import kick
from armgs_server.cli.leaving import remove, suspend
from armgs_server.cli.links import link
from armgs_server.cli.locks import lock
from armgs_server.cli.mail import mail
from armgs_server.cli.mount import mount
from armgs_server.cli.news import news
from armgs_server.cli.oauth import oauth
from armgs_server.cli.queue import queue
from armgs_server.cli.quickstart import quickstart
from armgs_server.cli.resources import equipment, room
from armgs_server.cli.restart import restart
from armgs_server.cli.restore_commands import restore
from armgs_server.cli.retention import retention
from armgs_server.cli.serve import serve
from armgs_server.cli.shared import mailbox
from armgs_server.cli.sieve import rules
from armgs_server.cli.store import store
from armgs_server.cli.sync import sync
from armgs_server.cli.top import top
from armgs_server.cli.trace import trace
from armgs_server.cli.undelete import undelete
from armgs_server.cli.users import user
from armgs_server.cli.who import who
from armgs_server.errors import DomainError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="armgs")
def armgs() -> None:
    """Mail, chat, calendars, contacts and files for a workplace, in one daemon."""


for command in (
    quickstart,
    init,
    serve,
    restart,
    demo,
    check,
    doctor,
    user,
    group,
    suspend,
    remove,
    sync,
    do,
    verbs,
    queue,
    trace,
    who,
    kick,
    top,
    mail,
    mailbox,
    room,
    equipment,
    contact,
    administrator,
    invitation,
    oauth,
    rules,
    absence,
    link,
    news,
    lock,
    mount,
    import_,
    export,
    undelete,
    hold,
    journal,
    retention,
    backup,
    restore,
    store,
    certificate,
    dkim,
    dns_group,
    converse,
    config,
):
    armgs.add_command(command)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; its exit code."""
    try:
        code = armgs.main(arguments, prog_name="armgs", standalone_mode=False)
    except click.exceptions.Abort:
        return exit_codes.INTERRUPTED
    except click.ClickException as error:
        error.show(sys.stderr)
        return exit_codes.USAGE
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    except DomainError as error:
        click.echo(f"armgs: {error}", err=True)
        return exit_codes.code_for(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"armgs: {where}{error.strerror or error}", err=True)
        return exit_codes.code_for_system(error)
    return code if isinstance(code, int) else exit_codes.OK
