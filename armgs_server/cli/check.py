# SPDX-License-Identifier: Apache-2.0
"""`armgs check`: is this workplace well? Configuration, certificates, database, disk, and a real log-in over
every protocol with a short-lived app password."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click
from cryptography import x509

from armgs_server.cli import exit as exit_codes
from armgs_server.cli import probes
from armgs_server.cli.doctor_host import CERTIFICATE_DAYS, FREE_SHARE, SLOW_FSYNC, fsync_time
from armgs_server.cli.output import Bar, print_records
from armgs_server.cli.workplace import (
    Workplace,
    config_file,
    json_option,
    load_config,
    public_url,
    work_on,
)
from armgs_server.config import Config
from armgs_server.directory import Principal
from armgs_server.errors import DomainError, NotFound
from armgs_server.net.certificates import server_names
from armgs_server.net.hosts import is_within
from armgs_server.net.tls import open_contexts
from armgs_server.storage.tx import Tx

APP_PASSWORD = "armgs check"
RENEW = "armgs certificate renew, then reload the daemon; or see [tls]"
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}

Status = Literal["ok", "warning", "problem", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    status: Status
    detail: str
    advice: str = ""  # what to do about it


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@click.option("--account", default="", help="Log in as this person; the first enabled one by default.")
@json_option
def check(directory: Path | None, account: str, as_json: bool) -> None:
    """Checks the workplace in DIRECTORY, and logs in to the running server over every protocol."""
    config = load_config(directory)
    findings = [Finding("configuration", "ok", str(config_file(directory)))]
    with Bar("Checking") as bar:
        for examine in (certificates, disk):
            findings += guarded(examine, config)
            bar.advance()
        findings += database_and_logins(directory, config, account, bar)
    print_records(
        as_json, "", [asdict(finding) for finding in findings], ("check", "status", "detail", "advice")
    )
    unhealthy = any(finding.status == "problem" for finding in findings)
    click.get_current_context().exit(exit_codes.UNHEALTHY if unhealthy else exit_codes.OK)


def guarded(examine: Callable[[Config], Iterator[Finding]], config: Config) -> list[Finding]:
    """What an examination finds; what keeps it from looking is a finding too."""
    try:
        return list(examine(config))
    except (DomainError, OSError, ValueError) as error:
        return [Finding(examine.__name__, "problem", str(error))]


def certificates(config: Config) -> Iterator[Finding]:
    """Key and certificate belong together, are valid for a while yet, and name what clients ask for."""
    if open_contexts(config) is None:
        yield Finding("certificates", "problem", "none is configured", "name one in [tls]")
        return
    path, _ = config.certificate_files
    certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    days = (certificate.not_valid_after_utc - datetime.now(UTC)).days
    status: Status = "ok" if days >= CERTIFICATE_DAYS else "warning" if days >= 0 else "problem"
    advice = "" if status == "ok" else RENEW
    yield Finding("certificates", status, f"{path}, valid for {days} more days", advice)
    alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    named = set(alternatives.get_values_for_type(x509.DNSName))
    named |= {str(address) for address in alternatives.get_values_for_type(x509.IPAddress)}
    needed = server_names(config.server.hostname, config.server.domains)
    missing = [name for name in needed if name not in named and f"*.{name.partition('.')[2]}" not in named]
    if missing:
        yield Finding("certificate names", "warning", f"not in it: {', '.join(missing)}", RENEW)


def disk(config: Config) -> Iterator[Finding]:
    """Room, and how long a durable write takes."""
    usage = shutil.disk_usage(config.data_dir)
    free = usage.free / usage.total
    status: Status = "ok" if free >= FREE_SHARE else "problem"
    advice = "" if status == "ok" else "make room before the store cannot write"
    yield Finding("disk space", status, f"{usage.free / 2**30:.1f} GiB free ({free:.0%})", advice)
    slow = fsync_time(config.data_dir)
    status = "ok" if slow < SLOW_FSYNC else "warning"
    advice = "" if status == "ok" else "every delivery waits this long: a disk with a write cache helps"
    yield Finding("disk fsync", status, f"{slow * 1000:.2f} ms (median)", advice)


def database_and_logins(directory: Path | None, config: Config, account: str, bar: Bar) -> list[Finding]:
    """Opens the store, makes the app password, tries every protocol, takes the password back."""
    name = f"{APP_PASSWORD} {datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"

    async def prepare(workplace: Workplace) -> tuple[Principal | None, str, str]:
        departments = await workplace.directory.departments()
        person = await _person(workplace, account)
        detail = f"{public_url(config.store.url)}, {len(departments)} departments"
        if person is None:
            return None, "", detail
        return person, await workplace.directory.add_app_password(person.id, name), detail

    try:
        person, password, detail = work_on(directory, prepare)
    except NotFound:
        raise
    except (DomainError, OSError) as error:
        return [Finding("database", "problem", str(error), "see [store] url, and whether the database runs")]
    findings = [Finding("database", "ok", detail)]
    bar.advance()
    if person is None:
        return [*findings, Finding("log-ins", "skipped", "nobody is there to log in as", "armgs user add")]
    number = person.id

    async def clean(workplace: Workplace) -> None:
        await workplace.store.write(lambda tx: _forget_app_password(tx, number, name))

    try:
        findings += list(_logins(config, person.address, password, bar))
    finally:
        work_on(directory, clean)
    return findings


def source_address(host: str) -> str:
    """Our own address in a connection to that host. Nothing is sent."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((host, 9))
        address: str = sock.getsockname()[0]
        return address


def _advice(failure: str) -> str:
    if failure.startswith("ConnectionRefusedError"):
        return "start the daemon: systemctl start armgs, or armgs serve"
    return RENEW if "certificate" in failure else "see the daemon's log"


async def _forget_app_password(tx: Tx, person: int, name: str) -> None:
    # Not Directory.remove_app_password: that logs out the person, who has nothing to do with this.
    await tx.execute("DELETE FROM credential WHERE principal = ? AND kind = 'app' AND name = ?", person, name)


async def _person(workplace: Workplace, account: str) -> Principal | None:
    if account:
        return await workplace.principal(account, "person")
    for department in await workplace.directory.departments():
        for person in await workplace.directory.people(department.id):
            if not person.disabled:
                return person
    return None


def _logins(config: Config, address: str, password: str, bar: Bar) -> Iterator[Finding]:
    ca = config.path(config.tls.ca) if config.tls.ca else None
    trusted = ca if ca is not None and ca.is_file() else None
    context = probes.ClientContext.trusting(trusted, config.server.hostname)
    host = ANY_ADDRESS.get(config.server.listen[0], config.server.listen[0])
    if is_within(source_address(host), config.server.proxy_hosts):
        text = "connections from this host must begin with a PROXY header ([server] proxy_hosts)"
        yield Finding("log-ins", "skipped", text, "run the check elsewhere, or through the balancer")
        return
    for port, name, probe in probes.PROBES:
        target = probes.Target(host, config.port(port), context, address, password)
        begin = time.perf_counter()
        try:
            seen = probes.run(probe, target)
            took = (time.perf_counter() - begin) * 1000
            yield Finding(f"log-in {name}", "ok", f"port {target.port}, {took:.0f} ms: {seen}")
        except probes.ProbeFailed as error:
            yield Finding(f"log-in {name}", "problem", f"port {target.port}: {error}", _advice(str(error)))
        bar.advance()
