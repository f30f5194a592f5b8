# SPDX-License-Identifier: Apache-2.0
"""Aggregate reports of DMARC: RFC 9990. What is noted of a message, and the report of a day as a message."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

from armgs_server.trust.checks import Findings
from armgs_server.trust.dkim import Result
from armgs_server.trust.dmarc import Outcome, Record

NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"
GENERATOR = "armgs_server"
# Signatures told of one message, and octets of each name: an observation is a key of the store, and
# PostgreSQL's index takes no key above 2,700 octets.
SIGNATURES = 3
NAME = 100


@dataclass(frozen=True, slots=True)
class Observation:
    """What messages that are counted together have in common. Nothing tells who wrote or got them."""

    source: str
    disposition: str  # pass none quarantine reject
    dkim: str
    spf: str
    header_from: str
    envelope_from: str
    signatures: tuple[tuple[str, str, str], ...]  # domain, selector, result
    spf_domain: str
    spf_scope: str
    spf_result: str

    def serialise(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Observation:
        """As it was kept."""
        values: dict[str, Any] = json.loads(text)
        values["signatures"] = tuple(tuple(each) for each in values["signatures"])
        return cls(**values)


def observe(
    findings: Findings, outcome: Outcome, peer: str, sender: str, *, is_refused: bool, is_junk: bool
) -> Observation:
    """Of one message and one of its authors' domains."""
    disposition = "reject" if is_refused else "quarantine" if is_junk else "none"
    return Observation(
        source=peer,
        disposition="pass" if outcome.result == "pass" and disposition == "none" else disposition,
        dkim="pass" if outcome.aligned_dkim else "fail",
        spf="pass" if outcome.aligned_spf else "fail",
        header_from=_short(outcome.domain),
        envelope_from=_short(sender.rpartition("@")[2].lower()),
        signatures=tuple(
            (_short(each.domain), _short(each.selector), str(each.result))
            for each in findings.signatures[:SIGNATURES]
            if each.domain and each.result is not Result.NEUTRAL
        ),
        spf_domain=_short(findings.spf.domain.lower()),
        spf_scope="mfrom" if findings.spf.identity == "mailfrom" else "helo",
        spf_result=findings.spf.result,
    )


@dataclass(frozen=True, slots=True)
class Period:
    """The day of a report, in seconds, and who makes it."""

    begin: int
    end: int
    organization: str
    address: str
    report_id: str


def serialise_report(
    period: Period, domain: str, record: Record, rows: Sequence[tuple[Observation, int]]
) -> bytes:
    """The XML (RFC 9990 §3.1)."""
    metadata = _element(
        "report_metadata",
        _text("org_name", period.organization),
        _text("email", period.address),
        _text("report_id", period.report_id),
        _element("date_range", _text("begin", str(period.begin)), _text("end", str(period.end))),
        _text("generator", GENERATOR),
    )
    policy = _element(
        "policy_published",
        _text("domain", domain),
        _text("discovery_method", "treewalk"),
        _text("p", record.policy),
        _text("sp", record.subdomain_policy),
        _text("np", record.absent_policy),
        _text("adkim", "s" if record.is_strict_dkim else "r"),
        _text("aspf", "s" if record.is_strict_spf else "r"),
        _text("testing", "y" if record.is_testing else "n"),
    )
    records = "".join(_record(observation, count) for observation, count in rows)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<feedback xmlns="{NAMESPACE}">'
        f"{_text('version', '1.0')}{metadata}{policy}{records}</feedback>\n"
    ).encode()


def serialise_message(period: Period, domain: str, recipient: str, report: bytes, moment: datetime) -> bytes:
    """The mail that carries it (RFC 9990 §3.5)."""
    message = EmailMessage(policy=SMTP)
    message["From"] = period.address
    message["To"] = recipient
    message["Subject"] = (
        f"Report Domain: {domain} Submitter: {period.organization} Report-ID: <{period.report_id}>"
    )
    message["Date"] = format_datetime(moment)
    message["Message-ID"] = f"<{period.report_id}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"DMARC aggregate report for {domain}.\n")
    name = f"{period.organization}!{domain}!{period.begin}!{period.end}.xml.gz"
    message.add_attachment(
        gzip.compress(report, mtime=0), maintype="application", subtype="gzip", filename=name
    )
    return message.as_bytes()


def _short(name: str) -> str:
    return name.encode("utf-8", "replace")[:NAME].decode("utf-8", "ignore")


def _record(observation: Observation, count: int) -> str:
    evaluated = _element(
        "policy_evaluated",
        _text("disposition", observation.disposition),
        _text("dkim", observation.dkim),
        _text("spf", observation.spf),
    )
    row = _element("row", _text("source_ip", observation.source), _text("count", str(count)), evaluated)
    identifiers = _element(
        "identifiers",
        _text("header_from", observation.header_from),
        _text("envelope_from", observation.envelope_from),
    )
    signatures = [
        _element("dkim", _text("domain", domain), _text("selector", selector), _text("result", result))
        for domain, selector, result in observation.signatures
    ]
    spf = _element(
        "spf",
        _text("domain", observation.spf_domain),
        _text("scope", observation.spf_scope),
        _text("result", observation.spf_result),
    )
    return _element("record", row, identifiers, _element("auth_results", *signatures, spf))


def _element(name: str, *content: str) -> str:
    return f"<{name}>{''.join(content)}</{name}>"


def _text(name: str, text: str) -> str:
    clean = "".join(char if char.isprintable() else "?" for char in text)
    return _element(name, escape(clean))
