# SPDX-License-Identifier: Apache-2.0
"""smtp/tls_report.py: who wants reports, and what a report says, read back by the standard library."""

from __future__ import annotations

import email
import email.policy
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.smtp import header, tls_report
from armgs_server.smtp.tls_report import Heading
from armgs_server.storage.tls_results import Observed

HEADING = Heading(
    "mx.digital.example", "postmaster@digital.example", "tls@other.example", "other.example", 20779, "1f"
)
COUNTS = {
    Observed(20779, "other.example", "sts", "mx1.other.example", ""): 40,
    Observed(20779, "other.example", "sts", "mx2.other.example", "certificate-expired"): 3,
    Observed(20779, "other.example", "tlsa", "mx1.other.example", "validation-failure"): 1,
}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["v=TLSRPTv1; rua=mailto:tls@other.example"], ["tls@other.example"]),
        (["x", "v=TLSRPTv1;rua=https://a.example/r, mailto:a%2Bb@b.example?subject=x"], ["a+b@b.example"]),
        (["v=TLSRPTv1; rua=mailto:no address,mailto:"], []),
        (["v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@d.example"], []),
        (["v=TLSRPTv2; rua=mailto:a@b.example"], []),
        (["v=TLSRPTv1;"], []),
        ([], []),
    ],
)
def test_where_reports_go(texts: list[str], expected: list[str]) -> None:
    assert tls_report.parse_record(texts) == expected


@given(st.text(max_size=200))
def test_any_record_is_addresses_or_none(text: str) -> None:
    assert len(tls_report.parse_record([f"v=TLSRPTv1;{text}"])) <= tls_report.RECIPIENTS


def test_a_report_counts_by_policy() -> None:
    message = email.message_from_bytes(
        tls_report.serialise(HEADING, COUNTS, header.moment_of(1_795_400_000_000_000)),
        policy=email.policy.default,
    )
    assert not message.defects
    assert message["Subject"] == (
        "Report Domain: other.example Submitter: mx.digital.example Report-ID: <1f@mx.digital.example>"
    )
    assert (message["TLS-Report-Domain"], message["TLS-Report-Submitter"]) == (
        "other.example",
        "mx.digital.example",
    )
    assert message.get_param("report-type") == "tlsrpt"
    _, attachment = message.iter_parts()
    assert attachment.get_content_type() == "application/tlsrpt+gzip"
    assert attachment.get_filename() == "mx.digital.example!other.example!1795305600!1795391999.json.gz"
    report = json.loads(gzip.decompress(attachment.get_content()))
    assert report["date-range"] == {
        "start-datetime": "2026-11-22T00:00:00Z",
        "end-datetime": "2026-11-22T23:59:59Z",
    }
    by_sts, by_tlsa = report["policies"]
    assert by_sts["policy"] == {"policy-type": "sts", "policy-domain": "other.example"}
    assert by_sts["summary"] == {
        "total-successful-session-count": 40,
        "total-failure-session-count": 3,
    }
    assert by_sts["failure-details"] == [
        {
            "result-type": "certificate-expired",
            "receiving-mx-hostname": "mx2.other.example",
            "failed-session-count": 3,
        }
    ]
    assert by_tlsa["summary"]["total-failure-session-count"] == 1
