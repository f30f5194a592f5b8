# SPDX-License-Identifier: Apache-2.0
"""`armgs quickstart`: from nothing to a workplace that can be served: questions, checks of the host, the
configuration, the first administrator, an invitation, the DNS records, and what to do next."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from armgs_server.cli import dns_records
from armgs_server.cli.dns import look_up, wanted
from armgs_server.cli.doctor_texts import STATUSES
from armgs_server.cli.findings import LANGUAGES, Finding, Language, language_of_terminal, say
from armgs_server.cli.init import create, default_hostname
from armgs_server.cli.output import print_json, print_table
from armgs_server.cli.quickstart_texts import TEXTS
from armgs_server.cli.workplace import (
    FILE_NAME,
    SYSTEM_CONFIG,
    Workplace,
    json_option,
    opened,
    read_password,
)
from armgs_server.config import Config
from armgs_server.directory.administrators import set_administrators
from armgs_server.directory.people import Change
from armgs_server.errors import AlreadyExists
from armgs_server.formats.addresses import normalise_domain, to_ascii
from armgs_server.net.sockets import bind
from armgs_server.portal.endpoints import find_endpoints
from armgs_server.ports import HTTP, HTTPS, STREAM_PORTS, optional_ports

SYSTEM_DATA = "/var/lib/armgs"  # where the units and the package have it
START_SYSTEM = "systemctl enable --now armgs.socket armgs.service armgs-doctor.timer"
PASSWORD_BYTES = 12  # of a password that is made: 96 bits


@dataclass(frozen=True, slots=True)
class Answers:
    domain: str
    hostname: str
    administrator: str
    name: str


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--domain", default="", help="What stands after the @ of the addresses.")
@click.option("--hostname", default="", help="The name clients connect to.")
@click.option("--administrator", default="", help="Address of the first administrator.")
@click.option("--name", default="", help="The administrator's full name.")
@click.option("--password-stdin", is_flag=True, help="Read the password; otherwise one is made and shown.")
@click.option("--port-offset", type=click.IntRange(0, 59000), default=0, help="Added to every standard port.")
@click.option("--data-dir", default="", help="Folder of the store; by default in DIRECTORY.")
@click.option("--store", "store_url", default="", help="`postgresql://…` instead of SQLite in the folder.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Of this command and of the server's reports.")
@click.option("--yes", "is_quiet", is_flag=True, help="Ask nothing: take what is proposed.")
@json_option
def quickstart(
    directory: Path,
    password_stdin: bool,
    port_offset: int,
    data_dir: str,
    store_url: str,
    language: Language | None,
    is_quiet: bool,
    as_json: bool,
    **given: str,
) -> None:
    """Makes a workplace in DIRECTORY and says what remains to be done until people can use it."""
    if (directory / FILE_NAME).exists():
        raise AlreadyExists(f"{directory / FILE_NAME} exists already")
    spoken = language or language_of_terminal()
    password = read_password() if password_stdin else secrets.token_urlsafe(PASSWORD_BYTES)
    answers = _ask(given, spoken, is_quiet or as_json)
    server: dict[str, Any] = {"domains": [answers.domain], "hostname": answers.hostname}
    tables: dict[str, dict[str, Any]] = {"server": server | {"port_offset": port_offset}}
    is_system = directory.absolute() == SYSTEM_CONFIG.parent
    if data_dir or is_system:
        tables["server"]["data_dir"] = data_dir or SYSTEM_DATA
    if store_url:
        tables["store"] = {"url": store_url}
    config = create(directory, tables, {answers.domain: [answers.domain]})
    findings = [*_host_name(config), *_ports(config), Finding("certificate", "ok", "certificate_own")]
    zone = directory / f"{to_ascii(answers.domain)}.zone"
    invitation, published = asyncio.run(_populate(config, answers, password, spoken, zone))
    findings.append(published)
    done = {
        "configuration": str(directory / FILE_NAME),
        "administrator": answers.administrator,
        "password": "***" if password_stdin else password,
        "invitation": invitation,
        "zone": str(zone),
    }
    following = {
        "serve": START_SYSTEM if is_system else f"armgs serve {directory}",
        "page": f"{find_endpoints(config, has_tls=True).base_url}/",
        "doctor": f"armgs doctor --config {directory}",
    }
    if as_json:
        records = [finding.as_record(TEXTS, "en") for finding in findings]
        print_json({**done, **following, "findings": records})
        return
    _print(findings, spoken)
    click.echo(say(TEXTS, spoken, "made", done))
    click.echo(say(TEXTS, spoken, "next", following), nl=False)


def _ask(given: dict[str, str], language: Language, is_quiet: bool) -> Answers:
    """What was not given as an option is asked, with a proposal that Enter takes."""

    def one(name: str, question: str, proposal: str) -> str:
        if given[name] or is_quiet:
            return given[name] or proposal
        return str(click.prompt(say(TEXTS, language, question), default=proposal or None))

    this = default_hostname()
    parent = this.partition(".")[2]
    domain = normalise_domain(one("domain", "ask_domain", parent if "." in parent else this))
    is_named = this != "localhost" and "." in this
    hostname = one("hostname", "ask_hostname", this if is_named else f"mail.{domain}").lower()
    administrator = one("administrator", "ask_administrator", f"admin@{domain}")
    name = one("name", "ask_name", administrator.partition("@")[0])
    return Answers(domain, hostname, administrator, name)


def _print(findings: list[Finding], language: Language) -> None:
    rows = []
    for finding in findings:
        record = finding.as_record(TEXTS, language)
        status = say(STATUSES, language, finding.status)
        rows.append((finding.check, status, record["detail"], record["advice"]))
    print_table("", say(TEXTS, language, "columns").split(","), rows)


def _host_name(config: Config) -> Iterator[Finding]:
    """Whether the name leads here."""
    name = config.server.hostname
    try:
        found = socket.getaddrinfo(to_ascii(name), None, type=socket.SOCK_STREAM)
    except OSError:
        zone = config.path(f"{to_ascii(config.server.domains[0])}.zone")
        yield Finding("hostname", "warning", "unresolved", {"name": name, "zone": zone}, "publish")
        return
    addresses = sorted({str(entry[4][0]) for entry in found})
    foreign = [each for each in addresses if not _is_own(each)]
    fields = {"name": name, "addresses": ", ".join(addresses), "own": socket.gethostname()}
    if len(foreign) == len(addresses):
        yield Finding("hostname", "warning", "elsewhere", fields, "correct_address")
    else:
        yield Finding("hostname", "ok", "resolves", fields)


def _is_own(address: str) -> bool:
    """Whether a socket can be bound to it."""
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError:
            return False
    return True


def _ports(config: Config) -> Iterator[Finding]:
    """Whether all can be listened on."""
    ports = [config.port(port) for port in (*STREAM_PORTS, HTTP, HTTPS, *optional_ports(config))]
    taken: list[str] = []
    for address in config.server.listen:
        for port in ports:
            try:
                bind(address, port).close()
            except PermissionError:
                yield Finding("ports", "skipped", "ports_forbidden")
                return
            except OSError as error:
                if error.errno != errno.EAFNOSUPPORT:  # a host without IPv6
                    taken.append(f"{port}: {error.strerror}")
    if taken:
        fields = {"error": ", ".join(dict.fromkeys(taken))}
        yield Finding("ports", "problem", "ports_taken", fields, "free_port")
    else:
        yield Finding("ports", "ok", "ports_free", {"ports": " ".join(map(str, ports))})


async def _populate(
    config: Config, answers: Answers, password: str, language: Language, zone: Path
) -> tuple[str, Finding]:
    """The administrator, an invitation, the zone file, and what of it the DNS has already."""
    async with opened(config, visiting=False) as workplace:
        invitation = await _people(workplace, answers, password, language)
        records = await wanted(workplace, answers.domain, (), "")
    serial = int(f"{datetime.now(UTC):%Y%m%d}01")
    text = dns_records.zone(answers.domain, records, config.server.hostname, serial)
    await asyncio.to_thread(zone.write_text, text, "utf-8")
    needed = [record for record in records if record.need == "needed"]
    checked = await look_up(config, needed, config.smtp.dns_servers)
    missing = sum(one.published != "yes" for one in checked)
    fields = {"count": missing, "zone": str(zone)}
    if missing:
        return invitation, Finding("dns", "warning", "dns_missing", fields, "publish")
    return invitation, Finding("dns", "ok", "dns_there")


async def _people(workplace: Workplace, answers: Answers, password: str, language: Language) -> str:
    """The link of the invitation's page."""
    directory = workplace.directory
    department = await workplace.principal(answers.domain, "department")
    person = await directory.create_person(answers.administrator, answers.name, password=password)
    await set_administrators(directory, department, [person.id])
    await directory.update(department.id, Change(data={"language": language}))
    await directory.invitations.set_policy(answers.domain, "administrators")
    token, _ = await directory.invitations.invite(person, account=True, local="")
    return f"{find_endpoints(workplace.config, has_tls=True).base_url}/invite/{token}"
