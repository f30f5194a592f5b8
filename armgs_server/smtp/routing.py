# SPDX-License-Identifier: Apache-2.0
"""Where mail for a domain is taken to: static routes, a smart host, or MX records (RFC 5321 §5, RFC 7505)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.resolver

from armgs_server.config import SmtpSettings
from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.net import resolver
from armgs_server.smtp.dane import Tlsa

SMTP_PORT = 25
# Servers of one domain that are tried in one attempt (RFC 5321 §5.1 asks for at least two).
MAX_HOSTS = 5
# Answers of the DNS that are kept as long as they hold.
REMEMBERED = 5000


@dataclass(frozen=True, slots=True)
class Host:
    """A server to try: its name for TLS and reports, and the address to connect to."""

    name: str
    address: str
    port: int = SMTP_PORT
    login: str = ""  # user:password, where the server asks for them
    is_static: bool = False  # named by a setting, not found by the DNS
    is_secure: bool = False  # found by DNS answers that were all authentic (RFC 7672 §2.2)


class NoRoute(Exception):
    """The domain has no server that takes mail, for now or for good (status 4.x.x or 5.x.x)."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Routing:
    """Finds the servers of a domain."""

    def __init__(self, settings: SmtpSettings, hostname: str, port: int = SMTP_PORT) -> None:
        self._port = port  # of servers that the DNS names
        self._hostname = hostname.lower()
        self._settings = settings
        self._servers: tuple[str, ...] = ()  # of the resolver
        self._resolver: dns.asyncresolver.Resolver | None = None
        # Invalid now rather than at the first message.
        _routes(settings.relay_routes, settings.relay_host, settings.relay_login)
        _named(settings.relay_by_sender, "relay_by_sender")
        _named(settings.split, "split")

    async def hosts(self, domain: str, sender: str = "") -> Sequence[Host]:
        """The servers in the order in which they are to be tried; NoRoute.

        `sender` is the domain of the reverse-path: a department may send by a server of its own.
        """
        settings = self._settings
        routes = _routes(settings.relay_routes, settings.relay_host, settings.relay_login)
        static = routes.get(domain) or _named(settings.relay_by_sender, "relay_by_sender").get(sender)
        static = static or routes.get("*")
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
        exchanges, is_secure = await self._exchanges(name)
        for exchange in exchanges:
            try:
                found += await self._addresses(exchange, is_secure)
            except NoRoute as error:
                failure = error
            if len(found) >= MAX_HOSTS:
                break
        if not found:
            raise failure or NoRoute("5.4.4", f"{domain} has no address")
        return found[:MAX_HOSTS]

    async def tlsa(self, host: Host) -> tuple[Tlsa, ...]:
        """The TLSA records that the DNS has, authentic, for a server; NoRoute where it does not tell."""
        try:
            answer = await self._ask(f"_{host.port}._tcp.{host.name}", "TLSA")
        except (dns.resolver.NoAnswer, NoRoute) as error:
            if isinstance(error, NoRoute) and error.status.startswith("4"):
                raise  # RFC 7672 §2.1.1: a failed look-up may be an attack
            return ()
        if not self._is_authentic(answer):
            return ()
        return tuple(Tlsa(each.usage, each.selector, each.mtype, each.cert) for each in answer)

    async def texts(self, name: str) -> list[str]:
        """TXT records; none where there is no such name. NoRoute where the DNS does not tell."""
        try:
            answer = await self._ask(name, "TXT")
        except dns.resolver.NoAnswer:
            return []
        except NoRoute as error:
            if error.status.startswith("4"):
                raise
            return []
        return [b"".join(each.strings).decode("utf-8", "replace") for each in answer]

    async def addresses(self, name: str) -> list[str]:
        """The addresses of a host; NoRoute."""
        return [host.address for host in await self._addresses(name, False)]

    async def _exchanges(self, domain: str) -> tuple[list[str], bool]:
        """Names of the mail exchangers, the preferred ones first, and whether they are authentic."""
        try:
            answer = await self._ask(domain, "MX")
        except dns.resolver.NoAnswer as error:
            response = error.kwargs.get("response")  # RFC 5321 §5.1: the implicit MX
            return [domain], response is not None and self._is_validated(response.flags)
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
        names = [name for _, name in sorted(records, key=lambda record: record[0])]
        return names, self._is_authentic(answer)

    async def _addresses(self, name: str, is_secure: bool) -> list[Host]:
        found: list[Host] = []
        for kind in ("A", "AAAA"):
            try:
                answer = await self._ask(name, kind)
            except dns.resolver.NoAnswer:
                continue
            secure = is_secure and self._is_authentic(answer)
            found += [Host(name, record.address, self._port, is_secure=secure) for record in answer]
        return found

    def _is_authentic(self, answer: dns.resolver.Answer) -> bool:
        return self._is_validated(answer.response.flags)

    def _is_validated(self, flags: int) -> bool:
        """RFC 6840 §5.7: AD is believed where the way to the name server is trusted."""
        return self._settings.dns_validates and bool(flags & dns.flags.AD)

    async def _ask(self, name: str, kind: str) -> dns.resolver.Answer:
        if self._resolver is None or self._servers != self._settings.dns_servers:
            self._servers = self._settings.dns_servers
            self._resolver = resolver.open_resolver(self._servers)
            self._resolver.cache = dns.resolver.LRUCache(REMEMBERED)
            self._resolver.flags = dns.flags.RD | dns.flags.AD  # RFC 6840 §5.7: tell us what is authentic
        try:
            return await self._resolver.resolve(f"{name}.", kind, lifetime=self._settings.dns_timeout)
        except dns.resolver.NXDOMAIN as error:
            raise NoRoute("5.1.2", f"{name} does not exist") from error
        except dns.resolver.NoAnswer:
            raise
        except (dns.exception.DNSException, OSError) as error:
            raise NoRoute("4.4.3", f"the name service does not answer for {name}") from error


def split_host(settings: SmtpSettings, domain: str) -> Host | None:
    """The other server of a domain whose people are partly there."""
    return _named(settings.split, "split").get(domain) if settings.split else None


@lru_cache(maxsize=4)
def _routes(static: tuple[str, ...], smart_host: str, login: str) -> dict[str, Host]:
    """Hosts by domain; `*` is for all others. Parsed once for each reading of the settings."""
    routes = dict(parse_route(route) for route in static)
    if smart_host:
        routes["*"] = replace(parse_host(smart_host), login=login)
    return routes


@lru_cache(maxsize=8)
def _named(static: tuple[str, ...], setting: str) -> dict[str, Host]:
    return dict(parse_route(route, setting) for route in static)


def parse_route(text: str, setting: str = "relay_routes") -> tuple[str, Host]:
    """`domain=host`, `domain=user:password@host:port`; the domain `*` stands for all others. Invalid."""
    domain, equals, host = text.partition("=")
    login, _, place = host.rpartition("@")
    if not equals or not domain or not place or (login and ":" not in login):
        raise Invalid(f"smtp.{setting}: {domain!r} has no host, as in domain=host:port")
    name = domain if domain == "*" else addresses.normalise_domain(domain)
    return name, replace(parse_host(place), login=login)


def parse_host(text: str) -> Host:
    """`host`, `host:port`, `[IPv6]:port`. Invalid."""
    host, port = resolver.parse_host(text, SMTP_PORT)
    return Host(host, host, port, is_static=True)
