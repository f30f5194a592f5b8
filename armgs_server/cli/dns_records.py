# SPDX-License-Identifier: Apache-2.0
"""What the DNS must say of a workplace: the records of its host and of each of its domains."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from armgs_server.config import Config
from armgs_server.formats.addresses import to_ascii
from armgs_server.portal import pacc
from armgs_server.storage.dkim_keys import DkimKey
from armgs_server.trust import keys

TTL = 3600
STRING = 255  # RFC 1035 §3.3: a character-string of a TXT record
NOT_SERVED = "."  # RFC 2782: as the target, the service is decidedly not available
# Nobody can do without these; without the others something is less comfortable, or less safe.
Need = Literal["needed", "wanted"]


@dataclass(frozen=True, slots=True)
class Record:
    """`name` is absolute and ASCII; `value` as in a zone file."""

    name: str
    type: str
    value: str
    need: Need
    purpose: str

    @property
    def line(self) -> str:
        """As in a zone file."""
        return f"{self.name}\t{TTL}\tIN\t{self.type}\t{self.value}"


def of_host(config: Config, addresses: Sequence[str], authority: str) -> list[Record]:
    """The host's own: its addresses, and who may make certificates for its name (RFC 8659)."""
    name = f"{to_ascii(config.server.hostname)}."
    found = [
        Record(name, "A" if ip_address(each).version == 4 else "AAAA", each, "needed", "the host")
        for each in addresses
    ]
    if authority:
        value = f'0 issue "{authority}"'
        found.append(Record(name, "CAA", value, "wanted", "nobody else makes certificates for it"))
    return found


def of_domain(config: Config, domain: str, signing: Iterable[DkimKey]) -> list[Record]:
    """All of one domain, in the order in which one would look for them."""
    return [
        *_mail(config, domain),
        *_signing(domain, signing),
        *_clients(config, domain),
        *_chat(config, domain),
    ]


def _mail(config: Config, domain: str) -> Iterator[Record]:
    zone, host = f"{to_ascii(domain)}.", f"{to_ascii(config.server.hostname)}."
    yield Record(zone, "MX", f"10 {host}", "needed", "mail for the domain (RFC 5321)")
    yield Record(zone, "TXT", quoted("v=spf1 mx -all"), "wanted", "who sends mail in its name (RFC 7208)")
    policy = f"v=DMARC1; p=quarantine; rua=mailto:postmaster@{zone[:-1]}"
    yield Record(
        f"_dmarc.{zone}", "TXT", quoted(policy), "wanted", "what is done with forged mail (RFC 9989)"
    )
    report = f"v=TLSRPTv1; rua=mailto:postmaster@{zone[:-1]}"
    yield Record(f"_smtp._tls.{zone}", "TXT", quoted(report), "wanted", "reports about TLS (RFC 8460)")
    if config.smtp.sts_mode != "none":
        hosts = config.smtp.sts_hosts or (config.server.hostname,)
        said = f"{config.smtp.sts_mode} {' '.join(hosts)} {config.smtp.sts_max_age}"
        # RFC 8461 §3.1: the id changes with the policy.
        identity = hashlib.sha256(said.encode()).hexdigest()[:16]
        yield Record(f"mta-sts.{zone}", "CNAME", host, "wanted", "MTA-STS policy (RFC 8461)")
        text = quoted(f"v=STSv1; id={identity}")
        yield Record(f"_mta-sts.{zone}", "TXT", text, "wanted", "MTA-STS policy (RFC 8461)")


def _signing(domain: str, signing: Iterable[DkimKey]) -> Iterator[Record]:
    for each in signing:
        text = keys.dns_record(keys.load_private(each.private))
        name = f"{each.selector}._domainkey.{to_ascii(domain)}."
        yield Record(name, "TXT", quoted(text), "wanted", "signatures of its mail (RFC 6376)")


def _clients(config: Config, domain: str) -> Iterator[Record]:
    zone, host = f"{to_ascii(domain)}.", f"{to_ascii(config.server.hostname)}."
    yield Record(f"autoconfig.{zone}", "CNAME", host, "wanted", "mail programs set themselves up")
    made = pacc.of_domain(config, domain)
    if made is not None:
        purpose = "programs set themselves up (PACC)"
        yield Record(f"{pacc.LABEL}.{zone}", "CNAME", host, "wanted", purpose)
        text = quoted(pacc.digest_record(made))
        yield Record(f"_{pacc.LABEL}.{zone}", "TXT", text, "wanted", f"{purpose}: changes with the settings")
    outlook = f"0 0 {config.port(443)} {host}"
    yield Record(f"_autodiscover._tcp.{zone}", "SRV", outlook, "wanted", "Outlook sets itself up")
    pop3 = config.pop3.enabled
    services = (
        ("submissions", 465, True, "RFC 8314 §5.1"),
        ("submission", 587, True, "RFC 6186 §3.1"),
        ("imaps", 993, True, "RFC 6186 §3.2"),
        ("imap", 143, True, "RFC 6186 §3.2"),
        ("pop3s", 995, pop3, "RFC 6186 §3.3"),
        ("pop3", 110, pop3, "RFC 6186 §3.3"),
        ("sieve", 4190, True, "RFC 5804 §1.8"),
        ("ldaps", 636, config.ldap.enabled, "as RFC 2782 has it"),
        ("ldap", 389, config.ldap.enabled, "RFC 2782"),
        ("caldavs", 443, True, "RFC 6764 §3"),
        ("carddavs", 443, True, "RFC 6764 §3"),
        ("caldav", 80, False, "RFC 6764 §3"),
        ("carddav", 80, False, "RFC 6764 §3"),
    )
    for service, port, is_served, section in services:
        # RFC 6186 §4: the lower priority is preferred; TLS from the start is (RFC 8314 §3).
        priority = 0 if service.endswith("s") or service == "sieve" else 10
        value = f"{priority} 1 {config.port(port)} {host}" if is_served else f"0 0 0 {NOT_SERVED}"
        yield Record(f"_{service}._tcp.{zone}", "SRV", value, "wanted", f"programs find it ({section})")
        if is_served and service in ("caldavs", "carddavs"):
            text = quoted("path=/dav/")
            yield Record(f"_{service}._tcp.{zone}", "TXT", text, "wanted", "and its path (RFC 6764 §4)")


def _chat(config: Config, domain: str) -> Iterator[Record]:
    zone, host = f"{to_ascii(domain)}.", f"{to_ascii(config.server.hostname)}."
    purpose = "chat programs find it (RFC 6120 §3.2.1, XEP-0368)"
    yield Record(f"_xmpp-client._tcp.{zone}", "SRV", f"10 1 {config.port(5222)} {host}", "needed", purpose)
    yield Record(f"_xmpps-client._tcp.{zone}", "SRV", f"0 1 {config.port(5223)} {host}", "wanted", purpose)
    purpose = "where nothing but port 443 is open (XEP-0368)"
    yield Record(f"_xmpps-client._tcp.{zone}", "SRV", f"5 1 {config.port(443)} {host}", "wanted", purpose)
    yield Record(f"upload.{zone}", "CNAME", host, "wanted", "files sent in chat (XEP-0363)")
    if not config.federation.enabled:
        return
    for label in ("", "conference."):
        purpose = "other servers' chat finds it (RFC 6120 §3.2.1, XEP-0368)"
        server, servers = f"_xmpp-server._tcp.{label}{zone}", f"_xmpps-server._tcp.{label}{zone}"
        yield Record(server, "SRV", f"10 1 {config.port(5269)} {host}", "needed", purpose)
        yield Record(servers, "SRV", f"0 1 {config.port(5270)} {host}", "wanted", purpose)


def quoted(text: str) -> str:
    """The strings of a TXT record in a zone file (RFC 1035 §5.1)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return " ".join(f'"{escaped[start : start + STRING]}"' for start in range(0, len(escaped), STRING))


def zone(domain: str, records: Sequence[Record], hostname: str, serial: int) -> str:
    """A whole zone for a DNS that knows nothing else: SOA, NS, and the records that lie in it."""
    origin = f"{to_ascii(domain)}."
    host = f"{to_ascii(hostname)}."
    inside = [one for one in records if one.name == origin or one.name.endswith(f".{origin}")]
    names = max((len(one.name) for one in inside), default=0)
    lines = [
        f"; {domain}: made by armgs dns zone. Raise the serial number with each change.",
        f"$ORIGIN {origin}",
        f"$TTL {TTL}",
        f"@ IN SOA {host} postmaster.{origin} {serial} 7200 900 1209600 300",
        f"@ IN NS {host}",
        *(f"{one.name:<{names}} IN {one.type:<5} {one.value}" for one in inside),
    ]
    return "\n".join([*lines, ""])
