# SPDX-License-Identifier: Apache-2.0
"""All settings of the daemon, as typed, documented data.

`load(path)` reads `armgs.toml`; `describe(config)` writes the commented sample that is kept as
`etc/armgs.toml`. Paths are relative to the folder of the configuration file (`Config.path`).
Sizes are bytes, times are seconds.

A running daemon has one Config. `adopt` puts the values of another reading in place in it, so whoever
keeps the Config or one of its sections, and reads a setting when it is needed, has the value of today.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from armgs_server import settings
from armgs_server.config.administration import AdministrationSettings
from armgs_server.config.chat import FederationSettings, XmppSettings
from armgs_server.config.directory import LdapSettings
from armgs_server.config.ground import (
    LimitSettings,
    LogSettings,
    SecuritySettings,
    ServerSettings,
    StoreSettings,
)
from armgs_server.config.mail import ImapSettings, Pop3Settings, SmtpSettings
from armgs_server.config.oauth import OAuthSettings, WebAuthnSettings
from armgs_server.config.operation import BackupSettings, MetricsSettings
from armgs_server.config.rules import SieveSettings
from armgs_server.config.sign_in_provider import SignInProviderSettings
from armgs_server.config.tls import TlsSettings
from armgs_server.config.trust import TrustSettings
from armgs_server.config.web import DavSettings, HttpSettings
from armgs_server.errors import Invalid, Unusable
from armgs_server.settings import describe_section, parse_section, read_toml, unknown_key

__all__ = [
    "COMPONENT_PORT",
    "LMTP_PORT",
    "SECTIONS",
    "AdministrationSettings",
    "Config",
    "DavSettings",
    "FederationSettings",
    "HttpSettings",
    "ImapSettings",
    "LdapSettings",
    "LimitSettings",
    "LogSettings",
    "MetricsSettings",
    "OAuthSettings",
    "Pop3Settings",
    "SecuritySettings",
    "ServerSettings",
    "SieveSettings",
    "SignInProviderSettings",
    "SmtpSettings",
    "StoreSettings",
    "TlsSettings",
    "TrustSettings",
    "WebAuthnSettings",
    "XmppSettings",
    "adopt",
    "describe",
    "differences",
    "load",
    "parse",
]

COMPONENT_PORT = 5347
LMTP_PORT = 24


@dataclass(frozen=True, slots=True)
class Config:
    """One reading of armgs.toml."""

    directory: Path
    server: ServerSettings = field(default_factory=ServerSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    oauth: OAuthSettings = field(default_factory=OAuthSettings)
    webauthn: WebAuthnSettings = field(default_factory=WebAuthnSettings)
    sign_in_provider: SignInProviderSettings = field(default_factory=SignInProviderSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    log: LogSettings = field(default_factory=LogSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    smtp: SmtpSettings = field(default_factory=SmtpSettings)
    trust: TrustSettings = field(default_factory=TrustSettings)
    imap: ImapSettings = field(default_factory=ImapSettings)
    pop3: Pop3Settings = field(default_factory=Pop3Settings)
    sieve: SieveSettings = field(default_factory=SieveSettings)
    ldap: LdapSettings = field(default_factory=LdapSettings)
    xmpp: XmppSettings = field(default_factory=XmppSettings)
    federation: FederationSettings = field(default_factory=FederationSettings)
    dav: DavSettings = field(default_factory=DavSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    administration: AdministrationSettings = field(default_factory=AdministrationSettings)

    def path(self, value: str) -> Path:
        """A path of the configuration, relative to its file."""
        return self.directory / value

    @property
    def data_dir(self) -> Path:
        return self.path(self.server.data_dir)

    @property
    def certificate_files(self) -> tuple[Path, Path]:
        """Certificate and key that are shown: those of an ACME CA where there are any, else those named."""
        if self.tls.acme_directory and self.acme_file.is_file():
            return self.acme_file, self.acme_file
        return self.path(self.tls.certificate), self.path(self.tls.key)

    @property
    def acme_file(self) -> Path:
        """Key and certificate of an ACME CA: in one file, so that they are always of one pair."""
        return self.data_dir / "acme.pem"

    def port(self, standard: int) -> int:
        """The port a service listens on: the standard one plus the offset."""
        return standard + self.server.port_offset


SECTIONS: dict[str, Any] = {
    each.name: each.type for each in dataclasses.fields(Config) if each.name != "directory"
}


def load(path: Path) -> Config:
    """Reads and checks the configuration file; Invalid and Unusable say what is wrong and where."""
    tables = read_toml(path)
    try:
        return parse(tables, path.absolute().parent)
    except (Invalid, Unusable) as error:
        raise type(error)(f"{path}: {error.text}") from error


def parse(tables: Mapping[str, Any], directory: Path) -> Config:
    """The Config of TOML tables; relative paths in it begin at the directory. Invalid, Unusable."""
    for name in tables:
        if name not in SECTIONS:
            raise unknown_key(name, list(SECTIONS))
    sections = {name: parse_section(SECTIONS[name], name, table) for name, table in tables.items()}
    config = Config(directory=directory, **sections)
    _check_together(config)
    return config


def differences(config: Config) -> str:
    """What is not the default, as TOML: `parse` makes the same Config of it."""
    defaults = Config(config.directory)
    return "\n".join(
        settings.differences(name, getattr(config, name), getattr(defaults, name)) for name in SECTIONS
    )


def adopt(live: Config, loaded: Config) -> tuple[list[str], list[str]]:
    """Puts another reading's values in place in the Config that is used.

    Returns the names of the settings that are changed, and of those that wait for a restart.
    """
    changed: list[str] = []
    waiting: list[str] = []
    for name in SECTIONS:
        now, later = settings.adopt(getattr(live, name), getattr(loaded, name), name)
        changed += now
        waiting += later
    return changed, waiting


def describe(config: Config) -> str:
    """The whole configuration as commented TOML."""
    return _HEAD + "\n".join(describe_section(name, getattr(config, name)) for name in SECTIONS)


def _check_together(config: Config) -> None:
    if not config.server.listen:
        raise Invalid("server.listen names no address")
    if config.store.url != "sqlite" and not config.store.url.startswith(("postgresql://", "postgres://")):
        raise Unusable('store.url must be "sqlite" or begin with postgresql://: there is no other engine')
    for domain in config.server.domains:
        if domain != domain.lower() or not domain.strip(".") or "@" in domain:
            raise Invalid(f"server.domains: {domain!r} is no domain in lower case")
    config.sign_in_provider.check()
    config.tls.check()
    for name, networks in (
        ("server.proxy_hosts", config.server.proxy_hosts),
        ("http.forwarding_hosts", config.http.forwarding_hosts),
        ("smtp.lmtp_hosts", config.smtp.lmtp_hosts),
        ("smtp.xclient_hosts", config.smtp.xclient_hosts),
        ("trust.trusted_networks", config.trust.trusted_networks),
        ("dav.subscription_networks", config.dav.subscription_networks),
        ("dav.push_networks", config.dav.push_networks),
    ):
        for network in networks:
            try:
                ip_network(network)
            except ValueError as error:
                raise Invalid(f"{name}: {error}") from error


_HEAD = """\
# Settings of armgs_server. Every value below is the default: keep only the lines you change.
# Written by `armgs config describe`; sizes are bytes, times are seconds.

"""
