# SPDX-License-Identifier: Apache-2.0
"""SPF, DKIM, ARC and DMARC of one message, each with its own result, as Authentication-Results tells them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from armgs_server.config import Config
from armgs_server.trust import arc, authors, dkim, dmarc, spf
from armgs_server.trust.arc import Chain
from armgs_server.trust.aside import aside
from armgs_server.trust.authentication_results import MethodResult
from armgs_server.trust.bodies import Bodies
from armgs_server.trust.dkim import Checked, Result
from armgs_server.trust.fields import Field
from armgs_server.trust.lookups import Lookups
from armgs_server.trust.model import Arrival

# Domains of authors of one message that are asked for their policy.
AUTHORS = 10

_LATE = "it took too long"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that is known of who wrote a message."""

    spf: spf.Outcome
    signatures: Sequence[Checked] = ()
    chain: Chain = field(default_factory=lambda: Chain("none"))
    author_domains: Sequence[str] = ()
    dmarc: Sequence[dmarc.Outcome] = ()  # of each author's domain

    @property
    def proven_domains(self) -> frozenset[str]:
        """The domains that stand behind the message, by SPF or DKIM."""
        proven = {each.domain for each in self.signatures if each.result is Result.PASS}
        if self.spf.result == "pass":
            proven.add(self.spf.domain.lower())
        return frozenset(proven)

    @property
    def is_temporary(self) -> bool:
        """Whether the DNS might say more another time."""
        return self.spf.result == "temperror" or any(
            each.result is Result.TEMPERROR for each in self.signatures
        )


async def run(lookups: Lookups, config: Config, arrival: Arrival, head: Sequence[Field]) -> Findings:
    """All checks; one that takes too long has a result that says so."""
    now = int(time.time())
    domains = authors.domains(head)
    bodies = Bodies(arrival.text, arrival.header_size)
    await aside(len(arrival.text), _prepare, bodies, head)
    late = config.trust.check_timeout / 2  # the second half is for DMARC, which needs the others
    identity, domain = spf.identity(arrival.helo, arrival.sender)[:2]
    found_spf, signatures, chain = await asyncio.gather(
        _within(
            late,
            spf.check(lookups, arrival.peer, arrival.helo, arrival.sender),
            spf.Outcome("temperror", domain, identity, _LATE),
        ),
        _within(
            late,
            dkim.verify_all(lookups, head, bodies, now, config.trust.signatures),
            [Checked(Result.TEMPERROR, "", problem=_LATE)],
        ),
        _within(late, arc.validate(lookups, head, bodies, now), Chain("fail", problem=_LATE)),
    )
    passed = [each.domain for each in signatures if each.result is Result.PASS]
    spf_domain = found_spf.domain.lower() if found_spf.result == "pass" else ""
    outcomes = await asyncio.gather(
        *(
            _within(
                late,
                dmarc.evaluate(lookups, author, spf_domain, passed),
                dmarc.Outcome("temperror", author),
            )
            for author in domains[:AUTHORS]
        )
    )
    return Findings(found_spf, signatures, chain, domains, outcomes)


def is_proven(findings: Findings, domain: str) -> bool | None:
    """Whether the domain itself, or one below it, stands behind the message; None: ask another time."""
    if any(f".{proven}".endswith(f".{domain}") for proven in findings.proven_domains):
        return True
    return None if findings.is_temporary else False


def results(findings: Findings, arrival: Arrival) -> list[MethodResult]:
    """RFC 8601 §2.7, in the order in which mail programs look for them."""
    found = [_spf_result(findings.spf, arrival)]
    found += [_dkim_result(each) for each in findings.signatures]
    if not findings.signatures:
        found.append(MethodResult("dkim", "none"))
    for each in findings.dmarc:
        policy = f"p={each.policy}" if each.policy else ""
        found.append(MethodResult("dmarc", each.result, (("header.from", each.domain),), comment=policy))
    chain = findings.chain
    comment = f"d={chain.sealer}" if chain.sealer else ""
    found.append(MethodResult("arc", chain.result, reason=chain.problem, comment=comment))
    return found


def _spf_result(outcome: spf.Outcome, arrival: Arrival) -> MethodResult:
    """RFC 8601 §2.7.2; the client's address lets a reader check the result again (RFC 8617 §10.2)."""
    identity = arrival.sender if outcome.identity == "mailfrom" else arrival.helo
    properties = ((f"smtp.{outcome.identity}", identity), ("smtp.remote-ip", arrival.peer))
    return MethodResult("spf", outcome.result, properties, reason=outcome.problem)


def _dkim_result(checked: Checked) -> MethodResult:
    properties = (
        ("header.d", checked.domain),
        ("header.s", checked.selector),
        ("header.a", checked.algorithm),
        ("header.b", checked.value),
    )
    return MethodResult("dkim", checked.result, properties, reason=checked.problem)


async def _within(seconds: float, check: Awaitable[T], late: T) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await check
    except TimeoutError:
        return late


def _prepare(bodies: Bodies, head: Sequence[Field]) -> None:
    """Hashes the body as the signatures will ask for it."""
    forms = {dkim.body_form(each.text) for each in head if each.name == dkim.FIELD}
    forms |= {
        dkim.body_form(each.text, arc.DEFAULT_FORM) for each in head if each.name == arc.MESSAGE_SIGNATURE
    }
    for form in forms - {""}:
        bodies.sha256(form)
