# SPDX-License-Identifier: Apache-2.0
"""Where mail for a domain is taken to: static routes, a smart host, or MX records (RFC 5321 §5, RFC 7505)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import dns.asyncresolver
import dns.exception
import dns.resolver

from armgs_server.config import SmtpSettings
from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.net import resolver

SMTP_PORT = 25
# Servers of one domain that are tried in one attempt (RFC 5321 §5.1 asks for at least two).
MAX_HOSTS = 5


@dataclass(frozen=True, slots=True)
class Host:
    """A server to try: its name for TLS and reports, and the address to connect to."""

    name: str
    address: str
    port: int = SMTP_PORT


class NoRoute(Exception):
    """The domain has no server that takes mail, for now or for good (status 4.x.x or 5.x.x)."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Routing:
    """Finds the servers of a domain."""

    def __init__(self, settings: SmtpSettings, hostname: str) -> None:
        self._hostname = hostname.lower()
        self._settings = settings
        self._servers: tuple[str, ...] = ()  # of the resolver
        self._resolver: dns.asyncresolver.Resolver | None = None
        _routes(settings.relay_routes, settings.relay_host)  # Invalid now rather than at the first message

    async def hosts(self, domain: str) -> Sequence[Host]:
        """The servers in the order in which they are to be tried; NoRoute."""
        routes = _routes(self._settings.relay_routes, self._settings.relay_host)
        static = routes.get(domain) or routes.get("*")
        if static is not None:
            return [static]
        if domain.startswith("["):
            address = domain[1:-1].removeprefix("IPv6:")
            return [Host(domain, address)]
        try:
            name = addresses.to_ascii(domain)
        except Invalid as error:
            raise NoRoute("5.1.2", "not a domain name") from error
        found: list[Host] = []
        failure: NoRoute | None = None
        for exchange in await self._exchanges(name):
            try:
                found += [Host(exchange, address) for address in await self._addresses(exchange)]
            except NoRoute as error:
                failure = error
            if len(found) >= MAX_HOSTS:
                break
        if not found:
            raise failure or NoRoute("5.4.4", f"{domain} has no address")
        return found[:MAX_HOSTS]

    async def _exchanges(self, domain: str) -> list[str]:
        """Names of the mail exchangers, the preferred ones first."""
        try:
            answer = await self._ask(domain, "MX")
        except dns.resolver.NoAnswer:
            return [domain]  # RFC 5321 §5.1: the implicit MX
        records = [(record.preference, record.exchange.to_text(omit_final_dot=True)) for record in answer]
        if any(name in ("", ".") for _, name in records):
            raise NoRoute("5.1.10", f"{domain} takes no mail")  # RFC 7505 §3
        own = [preference for preference, name in records if name.lower() == self._hostname]
        if own:
            # RFC 5321 §5.1: what is not nearer to the goal than we are would send it back to us.
            records = [record for record in records if record[0] < min(own)]
            if not records:
                raise NoRoute("5.4.6", f"{domain} points to this server, which does not serve it")
        random.shuffle(records)
        return [name for _, name in sorted(records, key=lambda record: record[0])]

    async def _addresses(self, name: str) -> list[str]:
        found: list[str] = []
        for kind in ("A", "AAAA"):
            try:
                found += [record.address for record in await self._ask(name, kind)]
            except dns.resolver.NoAnswer:
                continue
        return found

    async def _ask(self, name: str, kind: str) -> dns.resolver.Answer:
        if self._resolver is None or self._servers != self._settings.dns_servers:
            self._servers = self._settings.dns_servers
            self._resolver = resolver.open_resolver(self._servers)
        try:
            return await self._resolver.resolve(f"{name}.", kind, lifetime=self._settings.dns_timeout)
        except dns.resolver.NXDOMAIN as error:
            raise NoRoute("5.1.2", f"{name} does not exist") from error
        except dns.resolver.NoAnswer:
            raise
        except (dns.exception.DNSException, OSError) as error:
            raise NoRoute("4.4.3", f"the name service does not answer for {name}") from error


@lru_cache(maxsize=4)
def _routes(static: tuple[str, ...], smart_host: str) -> dict[str, Host]:
    """Hosts by domain; `*` is for all others. Parsed once for each reading of the settings."""
    routes = dict(parse_route(route) for route in static)
    if smart_host:
        routes["*"] = parse_host(smart_host)
    return routes


def parse_route(text: str) -> tuple[str, Host]:
    """`domain=host`, `domain=host:port`; the domain `*` stands for all others. Invalid."""
    domain, equals, host = text.partition("=")
    if not equals or not domain or not host:
        raise Invalid(f"smtp.relay_routes: {text!r} is not domain=host:port")
    return (domain if domain == "*" else addresses.normalise_domain(domain)), parse_host(host)


def parse_host(text: str) -> Host:
    """`host`, `host:port`, `[IPv6]:port`. Invalid."""
    host, port = resolver.parse_host(text, SMTP_PORT)
    return Host(host, host, port)
