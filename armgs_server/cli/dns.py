# SPDX-License-Identifier: Apache-2.0
"""`armgs dns …`: the records that the DNS needs, a zone for a DNS of one's own, whether they are there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

import click
import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver

from armgs_server.cli import dns_records
from armgs_server.cli import exit as exit_codes
from armgs_server.cli.dns_records import Record
from armgs_server.cli.output import print_records
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.config import Config
from armgs_server.errors import Invalid, NotFound
from armgs_server.formats.addresses import normalise_domain, to_ascii
from armgs_server.net.resolver import open_resolver
from armgs_server.storage import dkim_keys

COLUMNS = ("name", "type", "value", "need", "purpose")
AT_ONCE = 8  # queries on their way

# other: something else is there, which may be as good, or wrong; no answer: nothing can be said.
Published = Literal["yes", "no", "other", "no answer"]


@dataclass(frozen=True, slots=True)
class Checked:
    record: Record
    published: Published
    found: str


@click.group(name="dns")
def dns_group() -> None:
    """What the DNS must say of this workplace: records, check, zone."""


def _options(command: Any) -> Any:
    for option in (
        click.option("--authority", default="", help="For CAA: the CA that makes the certificates."),
        click.option("--address", "addresses", multiple=True, help="Of the host; its own by default."),
        click.argument("domain", required=False),
    ):
        command = option(command)
    return command


@dns_group.command("records")
@_options
@config_option
@json_option
def records(
    domain: str | None, addresses: tuple[str, ...], authority: str, config_path: Path | None, as_json: bool
) -> None:
    """Prints the records that DOMAIN needs, or all domains."""
    found = work_on(config_path, lambda workplace: wanted(workplace, domain, addresses, authority))
    print_records(as_json, "", [_describe(one) for one in found], COLUMNS)


@dns_group.command("zone")
@_options
@config_option
def zone(domain: str | None, addresses: tuple[str, ...], authority: str, config_path: Path | None) -> None:
    """Prints a zone file of DOMAIN, or of the main domain, for a DNS without the Internet."""

    async def work(workplace: Workplace) -> str:
        name = _served(workplace, domain or _main(workplace.config))
        found = await wanted(workplace, name, addresses, authority)
        serial = int(f"{datetime.now(UTC):%Y%m%d}01")
        return dns_records.zone(name, found, workplace.config.server.hostname, serial)

    click.echo(work_on(config_path, work), nl=False)


@dns_group.command("check")
@_options
@click.option("--server", "servers", multiple=True, help="Ask this name server: HOST or HOST:PORT.")
@config_option
@json_option
def check(
    domain: str | None,
    addresses: tuple[str, ...],
    authority: str,
    servers: tuple[str, ...],
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Asks the DNS for the records; exit code 9 where one that is needed is missing."""

    async def work(workplace: Workplace) -> list[Checked]:
        found = await wanted(workplace, domain, addresses, authority)
        config = workplace.config
        return await look_up(config, found, servers or config.smtp.dns_servers)

    checked = work_on(config_path, work)
    described = [{**_describe(one.record), "published": one.published, "found": one.found} for one in checked]
    print_records(as_json, "", described, ("published", "name", "type", "value", "need", "found"))
    missing = any(one.published != "yes" and one.record.need == "needed" for one in checked)
    click.get_current_context().exit(exit_codes.UNHEALTHY if missing else exit_codes.OK)


async def wanted(
    workplace: Workplace, domain: str | None, addresses: Sequence[str], authority: str
) -> list[Record]:
    """The records of the host and of one domain, or all. Invalid, NotFound."""
    config = workplace.config
    domains = [_served(workplace, domain)] if domain else list(config.server.domains)
    own = [_address(each) for each in addresses] or await asyncio.to_thread(_own_addresses, config)
    found = dns_records.of_host(config, own, authority)
    for name in domains:

        async def signing(tx: Any, name: str = name) -> list[dkim_keys.DkimKey]:
            return await dkim_keys.of(tx, name)

        found += dns_records.of_domain(config, name, await workplace.store.read(signing))
    return found


async def look_up(config: Config, records: Sequence[Record], servers: Sequence[str]) -> list[Checked]:
    """What the DNS says of each record."""
    resolver = open_resolver(servers)
    resolver.lifetime = config.smtp.dns_timeout * 2
    room = asyncio.Semaphore(AT_ONCE)

    async def one(record: Record) -> Checked:
        async with room:
            return await _check(resolver, record)

    return list(await asyncio.gather(*(one(record) for record in records)))


async def _check(resolver: dns.asyncresolver.Resolver, record: Record) -> Checked:
    try:
        answer = await _answers(resolver, record.name, record.type)
        if record.type == "CNAME" and not answer:
            # An address record of the same host is as good as an alias.
            theirs, ours = [await _host(resolver, each) for each in (record.name, record.value)]
            is_same = bool(theirs) and theirs == ours
            return Checked(record, "yes" if is_same else "no", ", ".join(sorted(theirs)))
    except dns.exception.DNSException as error:
        return Checked(record, "no answer", type(error).__name__)
    if _canonical(record.type, record.value) in answer:
        return Checked(record, "yes", "")
    kin = [each for each in answer if record.type != "TXT" or _is_kin(each, record.value)]
    return Checked(record, "other" if kin else "no", "; ".join(kin))


async def _host(resolver: dns.asyncresolver.Resolver, name: str) -> set[str]:
    return {*await _answers(resolver, name, "A"), *await _answers(resolver, name, "AAAA")}


async def _answers(resolver: dns.asyncresolver.Resolver, name: str, kind: str) -> list[str]:
    try:
        answer = await resolver.resolve(name, kind, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    return [each.to_text().lower() for each in answer]


def _canonical(kind: str, value: str) -> str:
    """The value as dnspython writes it."""
    data = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), value)
    return data.to_text().lower()


def _is_kin(found: str, ours: str) -> bool:
    """TXT records of different purposes share a name: they begin with their version."""
    return found.lstrip('"')[:6] == ours.lstrip('"')[:6].lower()


def _describe(record: Record) -> dict[str, Any]:
    return {
        "name": record.name,
        "type": record.type,
        "value": record.value,
        "need": record.need,
        "purpose": record.purpose,
        "line": record.line,
    }


def _main(config: Config) -> str:
    if not config.server.domains:
        raise Invalid("[server] domains names none")
    return config.server.domains[0]


def _served(workplace: Workplace, domain: str) -> str:
    name = normalise_domain(domain)
    if not workplace.directory.is_local(name):
        raise NotFound(f"{domain} is not a domain of this server")
    return name


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise Invalid(f"{text} is no IP address") from error


def _own_addresses(config: Config) -> list[str]:
    """Those by which the host's name is known here, loopback excepted; none where it is not known."""
    try:
        found = socket.getaddrinfo(to_ascii(config.server.hostname), None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [each for each in addresses if not ip_address(each).is_loopback]
