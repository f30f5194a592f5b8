# SPDX-License-Identifier: Apache-2.0
"""Where another domain's server is: static routes, SRV records (RFC 6120 §3.2.1, XEP-0368 §3), A and AAAA."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
from dns.rdtypes.IN.SRV import SRV

from armgs_server.config import Config
from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.net import resolver
from armgs_server.xmpp.jid import parse_domain

SERVER_PORT = 5269
MAX_TARGETS = 6  # tried in one attempt
_ANY = "*"
_DIRECT = "tls://"


@dataclass(frozen=True, slots=True)
class Target:
    """A server to try; `is_direct`: TLS from the first byte."""

    host: str
    port: int
    is_direct: bool = False


class NoRoute(Exception):
    """The domain has no server, or the name service does not answer."""

    def __init__(self, text: str, *, is_temporary: bool = False) -> None:
        super().__init__(text)
        self.is_temporary = is_temporary


class Routing:
    """Finds the servers of a domain."""

    def __init__(self, config: Config) -> None:
        self._routes = dict(parse_route(route) for route in config.federation.routes)
        self._config = config
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def targets(self, domain: str) -> Sequence[Target]:
        """In the order in which they are to be tried; NoRoute."""
        static = self._routes.get(domain) or self._routes.get(_ANY)
        if static is not None:
            return [static]
        if domain.startswith("["):
            return [Target(domain[1:-1], SERVER_PORT)]
        try:
            name = addresses.to_ascii(domain)
        except Invalid as error:
            raise NoRoute(f"{domain} is no domain name") from error
        found = [
            *await self._services(f"_xmpps-server._tcp.{name}", is_direct=True),
            *await self._services(f"_xmpp-server._tcp.{name}", is_direct=False),
        ]
        if not found:
            return [Target(name, SERVER_PORT)]  # RFC 6120 §3.2.2
        # RFC 6120 §3.2.1: the target "." says that there is no such service.
        usable = [(key, target) for key, target in found if target.host]
        if not usable:
            raise NoRoute(f"{domain} has no XMPP server")
        return [target for _, target in sorted(usable, key=lambda each: each[0])][:MAX_TARGETS]

    async def _services(self, name: str, *, is_direct: bool) -> list[tuple[tuple[int, bool, float], Target]]:
        """SRV records with what they are sorted by: XEP-0368 §3 mixes both kinds by priority."""
        if self._resolver is None:
            self._resolver = resolver.open_resolver(self._config.smtp.dns_servers)
        try:
            answer = await self._resolver.resolve(f"{name}.", "SRV", lifetime=self._config.smtp.dns_timeout)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise NoRoute(f"the name service does not answer for {name}", is_temporary=True) from error
        return [_weighed(cast(SRV, record), is_direct=is_direct) for record in answer]


def _weighed(record: SRV, *, is_direct: bool) -> tuple[tuple[int, bool, float], Target]:
    """RFC 2782: among those of one priority a heavier record comes first more often."""
    chance = -(random.random() ** (1.0 / max(record.weight, 0.01)))
    host = record.target.to_text(omit_final_dot=True).removesuffix(".")
    return (record.priority, not is_direct, chance), Target(host, record.port, is_direct)


def parse_route(text: str) -> tuple[str, Target]:
    """`DOMAIN=HOST:PORT` or `DOMAIN=tls://HOST:PORT`; the domain `*` stands for all others. Invalid."""
    domain, equals, rest = (part.strip() for part in text.partition("="))
    if not equals or not domain or not rest:
        raise Invalid(f"federation.routes: {text!r} is not DOMAIN=HOST:PORT")
    is_direct = rest.startswith(_DIRECT)
    host, port = resolver.parse_host(rest.removeprefix(_DIRECT), SERVER_PORT)
    return domain if domain == _ANY else parse_domain(domain), Target(host, port, is_direct)
