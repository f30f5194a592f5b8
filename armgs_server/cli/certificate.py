# SPDX-License-Identifier: Apache-2.0
"""`armgs certificate …`: what clients are shown, and a new one, from our own authority or from ACME's."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from cryptography import x509
from cryptography.x509.oid import NameOID

from armgs_server.cli.output import print_record, remark
from armgs_server.cli.workplace import Workplace, config_option, json_option, load_config, work_on
from armgs_server.config import Config
from armgs_server.errors import Conflict, NotFound
from armgs_server.net.certificates import make_certificates
from armgs_server.storage import acme, clock

MADE_BY_INIT = ("server.crt", "server.key", "ca.crt")


@click.group()
def certificate() -> None:
    """The certificate that clients are shown."""


@certificate.command("show")
@config_option
@json_option
def show(config_path: Path | None, as_json: bool) -> None:
    """What is shown, for how long, and how it stands with the CA that makes the next one."""

    async def work(workplace: Workplace) -> acme.State:
        return await workplace.store.read(acme.state)

    config = load_config(config_path)
    record = _shown(config)
    if config.tls.acme_directory:
        state = work_on(config_path, work)
        record |= {
            "authority": config.tls.acme_directory,
            "next order": "as soon as it can be"
            if state.demanded
            else _moment(max(state.renew, state.retry)),
            "without": "; ".join(f"{name}: {reason}" for name, reason in state.refused.items()),
            "failures": state.failures,
            "error": state.error,
        }
    print_record(as_json, record)


@certificate.command("renew")
@click.argument("directory", required=False, type=click.Path(path_type=Path))
def renew(directory: Path | None) -> None:
    """Signs a new certificate for host name and domains, or has the ACME CA make one at once."""
    config = load_config(directory)
    if config.tls.acme_directory:
        work_on(directory, _demand)
        remark("the daemon orders one now and puts it in place by itself: armgs certificate show")
        return
    paths = [config.path(value) for value in (config.tls.certificate, config.tls.key, config.tls.ca)]
    folder = paths[0].parent
    if paths != [folder / name for name in MADE_BY_INIT] or not (folder / "ca.key").is_file():
        raise Conflict(
            "[tls] names certificates that `armgs init` has not made: renew them where they come from"
        )
    make_certificates(folder, config.server.hostname, config.server.domains)
    remark(f"{paths[0]} is new; a running daemon takes it when it is reloaded (SIGHUP, systemctl reload)")


async def _demand(workplace: Workplace) -> None:
    await workplace.store.write(acme.demand)


def _shown(config: Config) -> dict[str, Any]:
    path, _ = config.certificate_files
    if not config.tls.certificate or not path.is_file():
        raise NotFound("there is no certificate: see [tls]")
    found = x509.load_pem_x509_certificates(path.read_bytes())[0]
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    issuers = found.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    known = (*names.get_values_for_type(x509.DNSName), *names.get_values_for_type(x509.IPAddress))
    return {
        "file": str(path),
        "names": ", ".join(map(str, known)),
        "issuer": str(issuers[0].value) if issuers else found.issuer.rfc4514_string(),
        "until": f"{found.not_valid_after_utc:%Y-%m-%d %H:%M}",
        "days left": (found.not_valid_after_utc - datetime.now(UTC)).days,
    }


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at / clock.SECOND, UTC):%Y-%m-%d %H:%M}" if at else "at once"
