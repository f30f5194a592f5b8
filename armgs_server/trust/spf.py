# SPDX-License-Identifier: Apache-2.0
"""Whether a host may use a domain as sender: check_host() of RFC 7208 §4, its mechanisms and macros.

Invariants: the DNS is asked for at most ten terms, two empty answers and ten names of one term
(RFC 7208 §4.6.4), whatever records say; nothing of a record is shown to anybody (no explanations, §6.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import quote

from armgs_server.errors import Invalid, Temporary
from armgs_server.trust.lookups import Lookups
from armgs_server.trust.spf_record import MACRO, Mechanism, Record, is_record, parse_record

IpAddress: TypeAlias = IPv4Address | IPv6Address

# RFC 7208 §4.6.4
TERMS = 10
VOID_LOOKUPS = 2
NAMES = 10
# RFC 7208 §7.3
LONGEST_NAME = 253

_INCLUDED = {"pass": True, "fail": False, "softfail": False, "neutral": False}


@dataclass(frozen=True, slots=True)
class Outcome:
    """RFC 7208 §2.6: none neutral pass fail softfail temperror permerror; of which identity, and why."""

    result: str
    domain: str
    identity: str  # mailfrom or helo
    problem: str = ""


class _PermanentError(Exception):
    """RFC 7208 §2.6.7"""


def identity(helo: str, sender: str) -> tuple[str, str, str]:
    """Which identity is checked, its domain and local part: HELO's where the reverse-path is null (§2.4)."""
    if not sender:
        return "helo", helo.rstrip("."), "postmaster"
    local, _, domain = sender.rpartition("@")
    return "mailfrom", domain.rstrip("."), local or "postmaster"  # RFC 7208 §4.3


async def check(lookups: Lookups, peer: str, helo: str, sender: str) -> Outcome:
    """One identity of a message that has come from the peer."""
    kind, domain, local = identity(helo, sender)
    if not _is_name(domain):  # RFC 7208 §4.3
        return Outcome("none", domain, kind)
    address = ip_address(peer)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:  # RFC 7208 §5
        address = address.ipv4_mapped
    evaluation = _Evaluation(lookups, address, local, domain, helo)
    try:
        return Outcome(await evaluation.check_host(domain), domain, kind)
    except Temporary as error:
        return Outcome("temperror", domain, kind, str(error))
    except (_PermanentError, Invalid) as error:
        return Outcome("permerror", domain, kind, str(error))


class _Evaluation:
    """One check with its counters."""

    def __init__(self, lookups: Lookups, address: IpAddress, local: str, domain: str, helo: str) -> None:
        self._lookups = lookups
        self._address = address
        self._local = local
        self._sender_domain = domain
        self._helo = helo
        self._terms = 0
        self._voids = 0

    async def check_host(self, domain: str) -> str:
        """RFC 7208 §4.6"""
        record = await self._record(domain)
        if record is None:
            return "none"
        for mechanism in record.mechanisms:
            if await self._matches(mechanism, domain):
                return mechanism.result
        if not record.redirect or any(each.name == "all" for each in record.mechanisms):
            return "neutral"  # RFC 7208 §4.7, §6.1
        self._count_term()
        target = await self._expand(record.redirect, domain)
        result = await self.check_host(target) if _is_name(target) else "none"
        if result == "none":  # RFC 7208 §6.1
            raise _PermanentError(f"redirect to {target}, which has no record")
        return result

    async def _record(self, domain: str) -> Record | None:
        """RFC 7208 §4.4 and §4.5"""
        texts = [text.decode("latin-1") for text in await self._lookups.texts(domain)]
        records = [text for text in texts if is_record(text)]
        if len(records) > 1:
            raise _PermanentError(f"{domain} has more than one record")
        return parse_record(records[0]) if records else None

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        if mechanism.name == "all":
            return True
        if mechanism.network is not None:
            return self._address.version == mechanism.network.version and self._address in mechanism.network
        self._count_term()
        target = await self._expand(mechanism.domain, domain) if mechanism.domain else domain
        if mechanism.name == "include":
            return await self._includes(target)
        if mechanism.name == "a":
            return self._is_among(await self._addresses(target), mechanism)
        if mechanism.name == "mx":
            return await self._is_exchanger(target, mechanism)
        if mechanism.name == "ptr":
            names = await self._validated_names()
            return any(_is_at_or_below(name, target) for name in names)
        assert mechanism.name == "exists"  # parse_record knows no other
        found = await self._lookups.addresses(target, "A") if _is_queried(target) else ()
        self._count_void(found)
        return bool(found)

    async def _includes(self, target: str) -> bool:
        """RFC 7208 §5.2"""
        result = await self.check_host(target) if _is_name(target) else "none"
        if result not in _INCLUDED:
            raise _PermanentError(f"include of {target}, which has no record")
        return _INCLUDED[result]

    async def _is_exchanger(self, target: str, mechanism: Mechanism) -> bool:
        """RFC 7208 §5.4"""
        hosts = await self._lookups.exchangers(target) if _is_queried(target) else ()
        self._count_void(hosts)
        if len(hosts) > NAMES:
            raise _PermanentError(f"{target} has too many MX records")
        for host in hosts:
            if self._is_among(await self._addresses(host), mechanism):
                return True
        return False

    async def _addresses(self, name: str) -> tuple[IpAddress, ...]:
        if not _is_queried(name):
            return ()
        found = await self._lookups.addresses(name, "A" if self._address.version == 4 else "AAAA")
        self._count_void(found)
        return found

    def _is_among(self, addresses: tuple[IpAddress, ...], mechanism: Mechanism) -> bool:
        prefix = mechanism.prefix4 if self._address.version == 4 else mechanism.prefix6
        return any(self._address in ip_network(f"{each}/{prefix}", strict=False) for each in addresses)

    async def _validated_names(self) -> list[str]:
        """RFC 7208 §5.5: the names of the address that have the address; errors count as none."""
        try:
            names = await self._lookups.names(self._address)
        except Temporary:
            return []
        self._count_void(names)
        kind = "A" if self._address.version == 4 else "AAAA"
        validated = []
        for name in names[:NAMES]:  # RFC 7208 §4.6.4: those beyond are ignored
            try:
                if self._address in await self._lookups.addresses(name, kind):
                    validated.append(name)
            except Temporary:
                continue
        return validated

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > TERMS:
            raise _PermanentError("more than ten terms need the DNS")

    def _count_void(self, found: tuple[object, ...]) -> None:
        """RFC 7208 §4.6.4"""
        if not found:
            self._voids += 1
            if self._voids > VOID_LOOKUPS:
                raise _PermanentError("more than two look-ups found nothing")

    async def _expand(self, text: str, domain: str) -> str:
        """RFC 7208 §7.3; a name that gets too long loses labels from its left."""
        parts: list[str] = []
        position = 0
        for match in MACRO.finditer(text):
            parts.append(text[position : match.start()])
            parts.append(await self._value(match, domain))
            position = match.end()
        parts.append(text[position:])
        name = "".join(parts).rstrip(".")
        while len(name) > LONGEST_NAME and "." in name:
            name = name.partition(".")[2]
        return name

    async def _value(self, match: re.Match[str], domain: str) -> str:
        if match["escape"]:
            return {"%": "%", "_": " ", "-": "%20"}[match["escape"]]
        letter = match["letter"].lower()
        values = {
            "s": f"{self._local}@{self._sender_domain}",
            "l": self._local,
            "o": self._sender_domain,
            "d": domain,
            "i": _dotted(self._address),
            "v": "in-addr" if self._address.version == 4 else "ip6",
            "h": self._helo,
        }
        value = values[letter] if letter in values else await self._name_of_client(domain)
        if match["digits"] or match["reverse"] or match["delimiters"]:
            labels = re.split(f"[{re.escape(match['delimiters'] or '.')}]", value)
            if match["reverse"]:
                labels.reverse()
            kept = min(int(match["digits"][:9]), len(labels)) if match["digits"] else len(labels)
            value = ".".join(labels[len(labels) - kept :])
        return quote(value, safe="-._~") if match["letter"].isupper() else value

    async def _name_of_client(self, domain: str) -> str:
        """%{p}: the domain itself, else a name below it, else any (RFC 7208 §7.3)."""
        names = await self._validated_names()
        for name in names:
            if name.lower() == domain.lower():
                return name
        for name in names:
            if _is_at_or_below(name, domain):
                return name
        return names[0] if names else "unknown"


def _dotted(address: IpAddress) -> str:
    """RFC 7208 §7.3: an IPv6 address as nibbles."""
    return str(address) if address.version == 4 else ".".join(address.exploded.replace(":", ""))


def _is_name(name: str) -> bool:
    """RFC 7208 §4.3: more than one label, each of 1 to 63 octets."""
    labels = name.rstrip(".").split(".")
    return len(labels) > 1 and all(0 < len(label) < 64 for label in labels) and not name.startswith("[")


def _is_queried(name: str) -> bool:
    """What cannot be in the DNS is not there."""
    return all(0 < len(label) < 64 for label in name.rstrip(".").split("."))


def _is_at_or_below(name: str, domain: str) -> bool:
    return f".{name}".lower().endswith(f".{domain}".lower())
