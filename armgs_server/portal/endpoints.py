# SPDX-License-Identifier: Apache-2.0
"""Where each service is reached, in the order a client should prefer (RFC 8314 §3: TLS from the start)."""

from dataclasses import dataclass
from typing import Literal

from armgs_server.config import Config

Protection = Literal["TLS", "STARTTLS", "none"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    service: str  # imap, pop3, smtp, xmpp, managesieve, ldap
    port: int
    protection: Protection


@dataclass(frozen=True, slots=True)
class Endpoints:
    """All that a client has to know to connect."""

    hostname: str
    servers: tuple[Endpoint, ...]
    base_url: str  # of everything over HTTP, without a slash at its end

    def of(self, service: str) -> list[Endpoint]:
        """The ways to reach one service, the best first."""
        return [endpoint for endpoint in self.servers if endpoint.service == service]

    @property
    def dav_url(self) -> str:
        return f"{self.base_url}/dav/"


def find_endpoints(config: Config, *, has_tls: bool) -> Endpoints:
    """The endpoints of this configuration; without a certificate there is only clear text."""
    ways: tuple[tuple[str, int, Protection], ...] = (
        ("imap", 993, "TLS"),
        ("imap", 143, "STARTTLS"),
        ("smtp", 465, "TLS"),
        ("smtp", 587, "STARTTLS"),
        ("xmpp", 5223, "TLS"),
        ("xmpp", 5222, "STARTTLS"),
        ("managesieve", 4190, "STARTTLS"),
    )
    if not has_tls:
        ways = (
            ("imap", 143, "none"),
            ("smtp", 587, "none"),
            ("xmpp", 5222, "none"),
            ("managesieve", 4190, "none"),
        )
    if config.pop3.enabled:
        ways += (("pop3", 995, "TLS"), ("pop3", 110, "STARTTLS")) if has_tls else (("pop3", 110, "none"),)
    if config.ldap.enabled:
        ways += (("ldap", 636, "TLS"), ("ldap", 389, "STARTTLS")) if has_tls else (("ldap", 389, "none"),)
    servers = tuple(Endpoint(service, config.port(port), protection) for service, port, protection in ways)
    scheme, standard = ("https", 443) if has_tls else ("http", 80)
    port = config.port(standard)
    authority = config.server.hostname if port == standard else f"{config.server.hostname}:{port}"
    return Endpoints(config.server.hostname, servers, f"{scheme}://{authority}")
