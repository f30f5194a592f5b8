# SPDX-License-Identifier: Apache-2.0
"""`armgs doctor`: does everything work, as people's programs see it? Host, store, certificates; then a log-in
over every protocol, a mail, a chat, a booked room, and the files from which clients set themselves up."""

from __future__ import annotations

import asyncio
import calendar
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from armgs_server.cli import (
    doctor_acme,
    doctor_chat,
    doctor_history,
    doctor_host,
    doctor_ldap,
    doctor_mail,
    doctor_web,
    probes,
)
from armgs_server.cli import exit as exit_codes
from armgs_server.cli.check import ANY_ADDRESS, source_address
from armgs_server.cli.doctor_account import Account, account
from armgs_server.cli.doctor_texts import STATUSES, TEXTS
from armgs_server.cli.findings import LANGUAGES, Finding, Language, language_of_terminal, say
from armgs_server.cli.output import Bar, print_json, print_table
from armgs_server.cli.workplace import config_file, config_option, json_option, load_config, opened
from armgs_server.config import Config
from armgs_server.errors import DomainError, Invalid
from armgs_server.formats.addresses import to_ascii
from armgs_server.net.hosts import is_within
from armgs_server.portal import pacc

Probe = Callable[[], str]


@click.command()
@click.option("--month", "is_month", is_flag=True, help="Only the availability of this month.")
@click.option("--of", "month", default="", metavar="YYYY-MM", help="With --month: of that month.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Instead of the terminal's.")
@config_option
@json_option
def doctor(
    is_month: bool, month: str, language: Language | None, config_path: Path | None, as_json: bool
) -> None:
    """Tries everything that people use on this host, and says what to do about what does not work.

    It logs in with an account made for the run, which nobody else can use and which is gone afterwards.
    """
    config = load_config(config_path)
    spoken = language or language_of_terminal()
    if is_month:
        _print_month(config, month or f"{datetime.now(UTC):%Y-%m}", spoken, as_json)
        return
    with Bar("Checking") as bar:
        findings = [Finding("configuration", "ok", "configuration", {"file": config_file(config_path)})]
        findings += asyncio.run(examine(config, bar.advance))
    doctor_history.keep(config.data_dir, time.time(), findings)
    problems = sum(finding.status == "problem" for finding in findings)
    if as_json:
        print_json([finding.as_record(TEXTS, "en") for finding in findings])
    else:
        _print(findings, spoken)
        click.echo(say(TEXTS, spoken, "not_well" if problems else "all_well", {"problems": problems}))
    click.get_current_context().exit(exit_codes.UNHEALTHY if problems else exit_codes.OK)


def _print(findings: Iterable[Finding], language: Language) -> None:
    rows = []
    for finding in findings:
        record = finding.as_record(TEXTS, language)
        rows.append((finding.check, say(STATUSES, language, finding.status), *_cells(record)))
    print_table("", say(TEXTS, language, "columns").split(","), rows)


def _cells(record: dict[str, Any]) -> tuple[str, str]:
    return record["detail"], record["advice"]


async def examine(config: Config, advance: Callable[[], None] = lambda: None) -> list[Finding]:
    """Everything, in the order in which one would look for a fault."""
    findings = await asyncio.to_thread(_host, config)
    advance()
    address = ANY_ADDRESS.get(config.server.listen[0], config.server.listen[0])
    source = source_address(address)
    ca = config.path(config.tls.ca) if config.tls.ca else None
    trusted = ca if ca is not None and ca.is_file() else None
    is_proxied = is_within(source, config.server.proxy_hosts)
    if not is_proxied:
        findings += await asyncio.to_thread(lambda: [*doctor_host.certificates(config, address, trusted)])
        advance()
    try:
        async with opened(config) as workplace:
            findings += await doctor_host.store(workplace.store)
            findings += await doctor_acme.authority(config, workplace.store)
            advance()
            if is_proxied:
                return [*findings, Finding("services", "skipped", "proxied", advice="elsewhere")]
            async with account(workplace, [source]) as made:
                target = partial(_target, config, address, trusted, made)
                for name, port, probe in _probes(config, made, target):
                    findings.append(await asyncio.to_thread(_try, name, config.port(port), probe))
                    advance()
    except (DomainError, OSError) as error:
        findings.append(Finding("database", "problem", "failed", {"error": error}, "see_database"))
    return findings


def _host(config: Config) -> list[Finding]:
    try:
        return [*doctor_host.disk(config), *doctor_host.host_clock()]
    except OSError as error:
        return [Finding("disk", "problem", "failed", {"error": error}, "see_log")]


def _target(config: Config, address: str, ca: Path | None, made: Account, port: int) -> probes.Target:
    context = probes.ClientContext.trusting(ca, to_ascii(config.server.hostname))
    return probes.Target(address, config.port(port), context, made.address, made.password)


def _probes(
    config: Config, made: Account, target: Callable[[int], probes.Target]
) -> list[tuple[str, int, Probe]]:
    """Name, standard port, what is tried: log-ins, then what travels, then what anybody may fetch."""
    log_ins: list[tuple[str, int, Callable[[probes.Target], str]]] = [
        ("submission", 587, probes.smtp_submission),
        ("submissions", 465, probes.smtp_submissions),
        ("imap", 143, doctor_mail.imap_starttls),
        ("imaps", 993, probes.imaps),
        ("sieve", 4190, probes.managesieve),
        ("xmpp", 5222, doctor_chat.xmpp_starttls),
        ("xmpps", 5223, probes.xmpps),
        ("webdav", 443, doctor_web.files),
        ("carddav", 443, doctor_web.contacts),
        ("smtp", 25, doctor_mail.smtp_stranger),
    ]
    if config.pop3.enabled:
        log_ins += [("pop3", 110, doctor_mail.pop3_starttls), ("pop3s", 995, doctor_mail.pop3s)]
    if config.ldap.enabled:
        log_ins += [("ldap", 389, doctor_ldap.ldap), ("ldaps", 636, doctor_ldap.ldaps)]
    found: list[tuple[str, int, Probe]] = [
        (name, port, partial(probe, target(port))) for name, port, probe in log_ins
    ]
    found += [
        ("mail", 465, lambda: doctor_mail.round_trip(target(465), target(993))),
        ("chat", 5222, lambda: doctor_chat.round_trip(target(5222), target(5223))),
        ("booking", 443, lambda: doctor_web.booking(target(443), made.room)),
    ]
    documents = _documents(config)
    found += [
        (path.partition("?")[0], 443, partial(doctor_web.document, target(443), path, must_hold))
        for path, must_hold in documents
    ]
    return found


def _documents(config: Config) -> list[tuple[str, bytes]]:
    """Path, and something without which it would be of no use."""
    hostname = config.server.hostname.encode()
    found = [
        ("/", b"<html"),
        ("/.well-known/host-meta", b"websocket"),
        ("/.well-known/host-meta.json", b"websocket"),
    ]
    if config.server.domains:
        domain = config.server.domains[0]
        found += [
            (f"/mail/config-v1.1.xml?emailaddress=doctor@{to_ascii(domain)}", hostname),
            (
                f"/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=doctor@{to_ascii(domain)}",
                hostname,
            ),
            *([(pacc.PATH, hostname)] if pacc.of_domain(config, domain) is not None else []),
            (f"/apple.mobileconfig?address=doctor@{to_ascii(domain)}", hostname),
        ]
    if config.tls.ca and config.path(config.tls.ca).is_file():
        found.append(("/ca.crt", b"BEGIN CERTIFICATE"))
    return found


def _try(name: str, port: int, probe: Probe) -> Finding:
    """What a client would have seen. The account's address is of no use to anybody after the run."""
    begin = time.perf_counter()
    try:
        seen = probes.run(lambda _: probe(), None)
    except probes.ProbeFailed as error:
        took = time.perf_counter() - begin
        return Finding(name, "problem", "port_failed", {"port": port, "error": error}, _advice(error), took)
    return Finding(name, "ok", "worked", {"port": port, "seen": seen}, seconds=time.perf_counter() - begin)


def _advice(error: probes.ProbeFailed) -> str:
    text = str(error)
    if text.startswith("ConnectionRefusedError"):
        return "start"
    return "renew" if "certificate" in text else "see_log"


def _print_month(config: Config, month: str, language: Language, as_json: bool) -> None:
    """The figures of one month, and how much of it they are about."""
    try:
        first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid(f"{month} is no month: YYYY-MM") from error
    end = first.timestamp() + calendar.monthrange(first.year, first.month)[1] * 86400.0
    until = min(end, time.time())
    runs = doctor_history.runs(config.data_dir, month)
    figures = doctor_history.availability(runs, until)
    share = doctor_history.measured(runs, until) / max(until - first.timestamp(), 1.0)
    if as_json:
        services = {
            one.service: {"runs": one.runs, "availability": round(one.share, 6), "down": round(one.down)}
            for one in figures
        }
        print_json({"month": month, "measured": round(share, 6), "services": services})
        return
    rows = [
        (one.service, one.runs, f"{one.share:.3%}", f"{one.down / 60:.0f} min", _moment(one.last_failure))
        for one in figures
    ]
    print_table("", say(TEXTS, language, "month_columns").split(","), rows)
    click.echo(say(TEXTS, language, "month", {"month": month, "measured": f"{share:.1%}"}))


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}" if seconds else ""
