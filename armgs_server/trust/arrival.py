# SPDX-License-Identifier: Apache-2.0
"""What becomes of a message from outside: believed, put into Junk, refused, or asked to come again.

Invariants:
- Nobody is believed to be a colleague who has neither logged in nor a proof of our own domain.
- What we write stands above the message; of what came with it only fields are taken out that claim to be
  ours (RFC 8601 §5). The body is never touched.
- A check that cannot be made, and a filter that does not answer, let the message through, marked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address, ip_network

from armgs_server import log
from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.service import Core
from armgs_server.trust import authentication_results, authors, checks
from armgs_server.trust.checks import Findings
from armgs_server.trust.fields import Field, split_fields
from armgs_server.trust.filters import Filters
from armgs_server.trust.lookups import Lookups
from armgs_server.trust.model import Arrival, Refusal, Verdict
from armgs_server.trust.opinion import Opinion, field
from armgs_server.trust.reporter import Reporter

_AMBIGUOUS = Refusal(550, "5.7.1", "The message must have one From: field, well-formed")
_NOT_PROVEN = Refusal(
    550,
    "5.7.1",
    "The sender's address is of this server, and nothing proves that you may use it. Log in to send",
)
_COME_AGAIN = Refusal(451, "4.4.3", "The sender cannot be checked now: the DNS does not answer")
_DMARC = Refusal(550, "5.7.1", "The author's domain wants mail refused that fails its checks (DMARC)")

_log = log.get("trust")


class Judge:
    """Judges what comes to port 25; see model.Judge."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._lookups = Lookups(core.config)
        self._filters = Filters(core.config)
        self.reporter = Reporter(core, self._lookups)
        self._places = asyncio.Semaphore(core.config.trust.checks_at_once)

    def is_needed(self, peer: str) -> bool:
        """Whether mail of this client is judged at all; a local socket is trusted as this host is."""
        settings = self._core.config.trust
        if not (settings.check or settings.rspamd or settings.clamav or settings.milters):
            return False
        return not _is_among(peer, settings.trusted_networks)

    async def judge(self, arrival: Arrival) -> Verdict:
        """The verdict."""
        raw = bytes(arrival.text[: arrival.header_size])
        cleaned = authentication_results.without_ours(raw, self._core.config)
        async with self._places:
            verdict = await self._decide(arrival, split_fields(raw))
        if verdict.refusal is not None:
            _log.info(
                "message refused",
                peer=arrival.peer,
                sender=arrival.sender,
                code=verdict.refusal.code,
                reason=verdict.refusal.text,
            )
        return replace(verdict, head=cleaned)

    async def _decide(self, arrival: Arrival, head: Sequence[Field]) -> Verdict:
        settings = self._core.config.trust
        fields, is_junk, is_proven = b"", False, False
        if settings.check:
            if authors.is_ambiguous(head):
                return Verdict(refusal=_AMBIGUOUS)
            findings = await checks.run(self._lookups, self._core.config, arrival, head)
            answer = self._believe(findings, arrival)
            is_refused = isinstance(answer, Refusal)
            if settings.reports and answer is not _COME_AGAIN:
                self.reporter.note(findings, arrival, is_refused=is_refused, is_junk=answer is True)
            if isinstance(answer, Refusal):
                return Verdict(refusal=answer)
            is_junk = answer
            is_proven = checks.is_proven(findings, _domain_of(arrival.sender)) or False
            name = authentication_results.own_id(self._core.config)
            fields = authentication_results.serialise(name, checks.results(findings, arrival))
        opinions, missing = await self._filters.ask_all(arrival)
        refusal = next((each.refusal for each in opinions if each.refusal is not None), None)
        if refusal is not None:
            return Verdict(refusal=refusal)
        is_junk = is_junk or any(each.is_junk for each in opinions)
        fields += _filter_fields(opinions, missing, is_junk=is_junk)
        _log.info("message judged", sender=arrival.sender, junk=is_junk, missing=",".join(missing))
        return Verdict(fields, is_junk=is_junk, is_proven=is_proven)

    def _believe(self, findings: Findings, arrival: Arrival) -> Refusal | bool:
        """Whether it is junk, by what is known of who wrote it; or why it is refused."""
        settings = self._core.config.trust
        is_junk = False
        if settings.own_domains != "accept":
            for domain in self._own_domains(findings, arrival):
                proven = checks.is_proven(findings, domain)
                if proven or self._is_vouched_for(findings):
                    continue
                if proven is None:
                    return _COME_AGAIN
                if settings.own_domains == "reject":
                    return _NOT_PROVEN
                is_junk = True
        if settings.dmarc == "observe" or self._is_vouched_for(findings):
            return is_junk
        failed = {each.policy for each in findings.dmarc if each.result == "fail"}
        if "reject" in failed and settings.dmarc == "enforce":
            # RFC 9989 §5.4: not on a failure that may pass
            return _COME_AGAIN if findings.is_temporary else _DMARC
        return is_junk or bool(failed & {"reject", "quarantine"})

    def _own_domains(self, findings: Findings, arrival: Arrival) -> list[str]:
        """The domains of ours that the message claims to be from."""
        claimed = list(findings.author_domains)
        claimed.append(_domain_of(arrival.sender))
        return [domain for domain in dict.fromkeys(claimed) if self._core.directory.is_local(domain)]

    def _is_vouched_for(self, findings: Findings) -> bool:
        """RFC 8617 §7.2.1: a sealer who is trusted has seen the message whole."""
        chain = findings.chain
        return chain.result == "pass" and chain.sealer in self._core.config.trust.arc_sealers


@lru_cache(maxsize=10_000)
def _is_among(peer: str, networks: tuple[str, ...]) -> bool:
    """Whether a client's address is in one of the networks; what is none is a socket of this host."""
    try:
        address = ip_address(peer)
    except ValueError:
        return True
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ip_network(each) for each in networks)


def _domain_of(sender: str) -> str:
    """The reverse-path's domain; "" where it has none."""
    try:
        return addresses.normalise_domain(sender.rpartition("@")[2]) if sender else ""
    except Invalid:
        _log.debug("reverse-path without a domain")
        return ""


def _filter_fields(opinions: Sequence[Opinion], missing: Sequence[str], *, is_junk: bool) -> bytes:
    fields = b"".join(opinion.fields for opinion in opinions)
    if is_junk:
        fields += field("X-Spam-Flag", "YES")
    if missing:
        fields += field("X-Not-Checked", ", ".join(missing))
    return fields
