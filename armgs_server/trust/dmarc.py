# SPDX-License-Identifier: Apache-2.0
"""What a domain wants done with mail that only claims to be its own: DMARC, RFC 9989.

The Organizational Domain and the policy are found by walking up the DNS (§4.10), so no list of public
suffixes is needed. SPF and DKIM count when they are of the author's domain, or of its Organizational Domain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from armgs_server.errors import Invalid, Temporary
from armgs_server.formats import addresses
from armgs_server.trust.lookups import Lookups
from armgs_server.trust.tags import parse_tags, without_blanks

POLICIES = ("none", "quarantine", "reject")
# RFC 9989 §4.10: a name of eight labels or more is cut to seven above itself.
WALKED_LABELS = 8
# Addresses that one domain may have reports sent to.
REPORT_ADDRESSES = 2
# t=y asks for one level less (RFC 9989 §4.7).
_LOWER = {"reject": "quarantine", "quarantine": "none", "none": "none"}


@dataclass(frozen=True, slots=True)
class Record:
    """RFC 9989 §4.7"""

    policy: str
    subdomain_policy: str
    absent_policy: str  # np=, of subdomains that do not exist
    is_strict_dkim: bool
    is_strict_spf: bool
    psd: str  # y n u
    is_testing: bool
    report_addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """RFC 8601 §2.7.2 and RFC 9989 §4.11: pass fail none temperror permerror; what is asked for on fail."""

    result: str
    domain: str  # of the author
    policy: str = ""
    organizational_domain: str = ""
    record: Record | None = None
    policy_domain: str = ""  # where the record was found
    aligned_spf: bool = False
    aligned_dkim: bool = False


@dataclass(frozen=True, slots=True)
class _Walk:
    """What a walk found: records by domain, from the start upwards."""

    start: str
    records: Mapping[str, Record]

    @property
    def organizational_domain(self) -> str:
        """RFC 9989 §4.10.2"""
        for domain, record in self.records.items():
            if record.psd == "n":
                return domain
            if record.psd == "y" and domain != self.start:
                labels = self.start.split(".")
                return ".".join(labels[len(labels) - domain.count(".") - 2 :])
        return list(self.records)[-1] if self.records else self.start


@lru_cache(maxsize=1000)
def parse_record(text: str) -> Record:
    """RFC 9989 §4.7; Invalid. Unknown tags are nothing, unknown values as if they were not there."""
    tags = {name.lower(): without_blanks(value) for name, value in parse_tags(text).items()}
    if not tags or next(iter(tags)) != "v" or tags["v"] != "DMARC1":
        raise Invalid("the version is not DMARC1")
    wanted = tuple(
        uri[len("mailto:") :].partition("!")[0]
        for uri in tags.get("rua", "").split(",")
        if uri.lower().startswith("mailto:")
    )
    policy = _policy(tags, "p", "none")
    subdomain_policy = _policy(tags, "sp", policy)
    return Record(
        policy=policy,
        subdomain_policy=subdomain_policy,
        absent_policy=_policy(tags, "np", subdomain_policy),
        is_strict_dkim=tags.get("adkim", "r").lower() == "s",
        is_strict_spf=tags.get("aspf", "r").lower() == "s",
        psd=tags.get("psd", "u").lower(),
        is_testing=tags.get("t", "n").lower() == "y",
        report_addresses=wanted,
    )


async def evaluate(
    lookups: Lookups, author_domain: str, spf_domain: str, dkim_domains: Iterable[str]
) -> Outcome:
    """`spf_domain` and `dkim_domains` are those that passed, "" or none where there is nothing."""
    try:
        walk = await _walk(lookups, author_domain)
        organizational = walk.organizational_domain
        found = await _find_policy(lookups, walk)
        if found is None:
            return Outcome("none", author_domain, organizational_domain=organizational)
        record, policy, policy_domain = found
        spf = bool(spf_domain) and await _is_aligned(lookups, spf_domain, walk, record.is_strict_spf)
        dkim = False
        for domain in dict.fromkeys(dkim_domains):
            dkim = dkim or await _is_aligned(lookups, domain, walk, record.is_strict_dkim)
    except Temporary:
        return Outcome("temperror", author_domain)
    if record.is_testing:
        policy = _LOWER[policy]
    result = "pass" if spf or dkim else "fail"
    return Outcome(result, author_domain, policy, organizational, record, policy_domain, spf, dkim)


async def report_addresses(lookups: Lookups, domain: str) -> tuple[Record, tuple[str, ...]] | None:
    """The domain's record and who is to get its reports; addresses elsewhere only where that domain says so
    (RFC 9990 §4). None where there is no record."""
    record = await _record(lookups, domain)
    if record is None:
        return None
    wanted = []
    for address in record.report_addresses[:REPORT_ADDRESSES]:
        if not addresses.is_valid(address):
            continue
        there = addresses.to_ascii(address.rpartition("@")[2]).lower()
        author, receiver = await _walk(lookups, domain), await _walk(lookups, there)
        if author.organizational_domain == receiver.organizational_domain or any(
            text.startswith(b"v=DMARC1") for text in await lookups.texts(f"{domain}._report._dmarc.{there}")
        ):
            wanted.append(address)
    return record, tuple(wanted)


async def _find_policy(lookups: Lookups, walk: _Walk) -> tuple[Record, str, str] | None:
    """RFC 9989 §4.10.1: of the author's domain, else of the Organizational Domain, else of the suffix."""
    if walk.start in walk.records:
        record = walk.records[walk.start]
        return record, record.policy, walk.start
    domain = walk.organizational_domain
    if domain not in walk.records:
        domain = next((name for name, record in walk.records.items() if record.psd == "y"), "")
    if not domain:
        return None
    above = walk.records[domain]
    if above.absent_policy == above.subdomain_policy or await lookups.exists(walk.start):
        return above, above.subdomain_policy, domain
    return above, above.absent_policy, domain


async def _is_aligned(lookups: Lookups, domain: str, author: _Walk, is_strict: bool) -> bool:
    """RFC 9989 §4.4: identifier alignment"""
    if is_strict or domain == author.start:
        return domain == author.start
    if domain.rpartition(".")[2] != author.start.rpartition(".")[2]:
        return False
    return (await _walk(lookups, domain)).organizational_domain == author.organizational_domain


async def _walk(lookups: Lookups, domain: str) -> _Walk:
    """RFC 9989 §4.10: from the domain up, at most eight look-ups."""
    records: dict[str, Record] = {}
    for name in _names_to_ask(domain):
        record = await _record(lookups, name)
        if record is None:
            continue
        records[name] = record
        if record.psd == "n" or (record.psd == "y" and name != domain):
            break
    return _Walk(domain, records)


def _names_to_ask(domain: str) -> list[str]:
    labels = domain.split(".")
    above = labels[-(WALKED_LABELS - 1) :] if len(labels) >= WALKED_LABELS else labels[1:]
    return [domain, *(".".join(above[position:]) for position in range(len(above)))]


async def _record(lookups: Lookups, domain: str) -> Record | None:
    """The one valid record; more than one are none (RFC 9989 §4.10.1)."""
    found: list[Record] = []
    for text in await lookups.texts(f"_dmarc.{domain}"):
        try:
            found.append(parse_record(text.decode("ascii", "replace")))
        except Invalid:
            continue
    return found[0] if len(found) == 1 else None


def _policy(tags: Mapping[str, str], name: str, default: str) -> str:
    policy = tags.get(name, "").lower()
    return policy if policy in POLICIES else default
