# SPDX-License-Identifier: Apache-2.0
"""What the checks of mail ask the DNS: an empty answer is (), a failure is Temporary.

One resolver with one bounded cache for a process; every answer is awaited no longer than
`[smtp] dns_timeout`. Names that no DNS message can carry are answered without asking.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
import dns.reversename

from armgs_server import log
from armgs_server.config import Config
from armgs_server.directory.cache import Cache
from armgs_server.errors import Temporary
from armgs_server.net.resolver import open_resolver

# Answers kept for as long as their records say.
CACHED = 10_000
# That there is nothing is believed for so many seconds.
NOTHING_KEPT = 60.0
# Records of one answer that are looked at.
RECORDS = 100
# Names that no message of the DNS can carry.
_IMPOSSIBLE = (
    dns.name.LabelTooLong,
    dns.name.NameTooLong,
    dns.name.EmptyLabel,
    dns.name.IDNAException,
    UnicodeError,
)

_log = log.get("trust")


@dataclass(frozen=True, slots=True)
class _Held:
    """An answer, until its time is over."""

    expires: float
    records: Sequence[Any]


class Lookups:
    """The DNS as the configuration names it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._servers: tuple[str, ...] | None = None
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._answers: Cache[tuple[str, str], _Held] = Cache(CACHED)

    async def texts(self, name: str) -> tuple[bytes, ...]:
        """TXT records, the strings of each joined (RFC 7208 §3.3, RFC 6376 §3.6.2.2)."""
        return tuple(b"".join(record.strings) for record in await self._ask(name, "TXT"))

    async def addresses(self, name: str, kind: str) -> tuple[IPv4Address | IPv6Address, ...]:
        """A or AAAA records."""
        return tuple(ip_address(record.address) for record in await self._ask(name, kind))

    async def exchangers(self, name: str) -> tuple[str, ...]:
        """Hosts of MX records, the preferred ones first."""
        records = sorted(await self._ask(name, "MX"), key=lambda record: int(record.preference))
        return tuple(record.exchange.to_text(omit_final_dot=True) for record in records)

    async def names(self, address: IPv4Address | IPv6Address) -> tuple[str, ...]:
        """PTR records."""
        reverse = dns.reversename.from_address(str(address)).to_text()
        records = await self._ask(reverse, "PTR")
        return tuple(record.target.to_text(omit_final_dot=True) for record in records)

    async def exists(self, name: str) -> bool:
        """Whether the domain has addresses or mail exchangers, or anything else below it."""
        try:
            await self._opened().resolve(_absolute(name), "A", raise_on_no_answer=False)
        except (dns.resolver.NXDOMAIN, *_IMPOSSIBLE):
            return False
        except dns.exception.DNSException as error:
            raise Temporary(f"no answer about {name}") from error
        return True

    async def _ask(self, name: str, kind: str) -> Sequence[Any]:
        """The records of a kind; dnspython has a class for each, and no common type for their data."""
        held = self._answers.get((name, kind))
        if held is not None and held.expires > time.time() and self._servers == self._config.smtp.dns_servers:
            return held.records
        expires, records = time.time() + NOTHING_KEPT, ()
        try:
            answer = await self._opened().resolve(_absolute(name), kind, raise_on_no_answer=False)
            if answer.rrset is not None:
                expires, records = answer.expiration, tuple(answer.rrset)[:RECORDS]
        except (dns.resolver.NXDOMAIN, *_IMPOSSIBLE):
            _log.debug("no such name", name=name)
        except (dns.exception.DNSException, OSError) as error:
            raise Temporary(f"no answer about {name} {kind}") from error
        self._answers.put((name, kind), _Held(expires, records))
        return records

    def _opened(self) -> dns.asyncresolver.Resolver:
        """Another one when the settings were changed."""
        servers = self._config.smtp.dns_servers
        if self._resolver is None or servers != self._servers:
            try:
                self._resolver = open_resolver(servers)
            except dns.exception.DNSException as error:  # no resolv.conf
                raise Temporary("no name server is known") from error
            self._servers = servers
            self._answers.clear()
        self._resolver.lifetime = self._config.smtp.dns_timeout
        return self._resolver


def _absolute(name: str) -> dns.name.Name:
    """No search list; a name of other letters as it is in the DNS (RFC 8616)."""
    return dns.name.from_text(name.rstrip(".") + ".", idna_codec=dns.name.IDNA_2008_Practical)
