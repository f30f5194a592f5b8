# SPDX-License-Identifier: Apache-2.0
"""A TLS report (RFC 8460): the JSON of a day, the message with it, the record that asks for it. Pure."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.storage.tls_results import Observed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Addresses of one domain that get its report.
RECIPIENTS = 5


@dataclass(frozen=True, slots=True)
class Heading:
    """Who reports what to whom."""

    hostname: str  # of this server
    contact: str  # the address that reports, of one of our domains
    recipient: str
    domain: str
    day: int
    identifier: str


def parse_record(texts: Sequence[str]) -> list[str]:
    """The mail addresses of `rua` (§3), where a domain wants its reports; other URIs are passed over."""
    records = [text for text in texts if text.replace(" ", "").startswith("v=TLSRPTv1;")]
    if len(records) != 1:
        return []
    fields = dict(
        (name.strip(), value.strip())
        for name, _, value in (each.partition("=") for each in records[0].split(";"))
    )
    found: list[str] = []
    for uri in fields.get("rua", "").split(","):
        scheme, _, address = uri.strip().partition(":")
        if scheme.lower() != "mailto":
            continue
        try:
            found.append(str(addresses.parse(unquote(address.partition("?")[0]))))
        except Invalid:
            continue
    return found[:RECIPIENTS]


def content(heading: Heading, counts: Mapping[Observed, int]) -> dict[str, Any]:
    """The report (§4.4)."""
    start = EPOCH + timedelta(days=heading.day)
    policies = sorted({each.policy for each in counts})
    return {
        "organization-name": heading.contact.rpartition("@")[2],
        "date-range": {
            "start-datetime": f"{start:%Y-%m-%dT00:00:00Z}",
            "end-datetime": f"{start:%Y-%m-%dT23:59:59Z}",
        },
        "contact-info": heading.contact,
        "report-id": heading.identifier,
        "policies": [_policy(heading, name, counts) for name in policies],
    }


def serialise(heading: Heading, counts: Mapping[Observed, int], moment: datetime) -> bytes:
    """The message (§5.3): a text for people, and the report as application/tlsrpt+gzip."""
    report = json.dumps(content(heading, counts), indent=1).encode()
    start = EPOCH + timedelta(days=heading.day)
    name = f"{heading.hostname}!{heading.domain}!{int(start.timestamp())}!{int(start.timestamp()) + 86399}"
    boundary = f"=_{heading.identifier}"
    encoded = base64.encodebytes(gzip.compress(report, mtime=0)).replace(b"\n", b"\r\n")
    head = (
        f"From: <{heading.contact}>\r\n"
        f"To: <{heading.recipient}>\r\n"
        f"Subject: Report Domain: {heading.domain} Submitter: {heading.hostname}"
        f" Report-ID: <{heading.identifier}@{heading.hostname}>\r\n"
        f"Date: {format_datetime(moment)}\r\n"
        f"Message-ID: <{heading.identifier}@{heading.hostname}>\r\n"
        f"TLS-Report-Domain: {heading.domain}\r\n"
        f"TLS-Report-Submitter: {heading.hostname}\r\n"
        "Auto-Submitted: auto-generated\r\n"
        "TLS-Required: No\r\n"  # §3: reports go even where TLS fails
        "MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type="tlsrpt"; boundary="{boundary}"\r\n\r\n'
        f"--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        f"How TLS with the mail servers of {heading.domain} went on {start:%Y-%m-%d} (RFC 8460).\r\n"
        f"--{boundary}\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="{name}.json.gz"\r\n\r\n'
    )
    return head.encode() + encoded + f"--{boundary}--\r\n".encode()


def _policy(heading: Heading, name: str, counts: Mapping[Observed, int]) -> dict[str, Any]:
    own = {each: count for each, count in counts.items() if each.policy == name}
    failures = {each: count for each, count in own.items() if each.kind}
    return {
        "policy": {"policy-type": name, "policy-domain": heading.domain},
        "summary": {
            "total-successful-session-count": sum(own.values()) - sum(failures.values()),
            "total-failure-session-count": sum(failures.values()),
        },
        "failure-details": [
            {
                "result-type": each.kind,
                "receiving-mx-hostname": each.host,
                "failed-session-count": count,
            }
            for each, count in failures.items()
        ],
    }
