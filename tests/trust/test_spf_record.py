# SPDX-License-Identifier: Apache-2.0
"""SPF's grammar: any text is a record or Invalid, in no time. Its meaning: test_spf.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.trust.spf_record import Mechanism, Record, is_record, parse_record


def test_a_record() -> None:
    assert parse_record("v=spf1  a:%{d}.example/24//64 ?MX -all redirect=other.example x=%{c}") == Record(
        (
            Mechanism("a", "pass", "%{d}.example", 24, 64),
            Mechanism("mx", "neutral"),
            Mechanism("all", "fail"),
        ),
        "other.example",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("v=spf1", True), ("V=SPF1 -all", True), ("v=spf10", False), ("v=spf1\t", False), ("", False)],
)
def test_versions(text: str, expected: bool) -> None:
    assert is_record(text) is expected


@pytest.mark.parametrize(
    "term",
    [
        "a:",
        "a:x",
        "a/33",
        "a//129",
        "ip4:1.2.3",
        "ip4:1.2.3.4/33",
        "ip6:1.2.3.4",
        "all:x",
        "include",
        "exists:%{x}.y.z",
    ]
    + [
        "redirect=",
        "redirect=a.example redirect=b.example",
        "%{d}",
        "+x=y",
        "ip6:fe80::1%eth0",
        "a:%{d0}",
        "é",
    ],
)
def test_what_is_no_term(term: str) -> None:
    with pytest.raises(Invalid):
        parse_record(f"v=spf1 {term}")


TERM = st.from_regex(
    r"[+?~-]?(a|mx|ip4|ip6|include|exists|ptr|all|redirect|exp)?[:=/]?[%{}a-z0-9./-]{0,30}", fullmatch=True
)


@given(st.lists(TERM | st.text(max_size=20), max_size=20))
def test_any_terms(terms: list[str]) -> None:
    try:
        record = parse_record("v=spf1 " + " ".join(terms))
    except Invalid:
        return
    assert all(each.result in ("pass", "fail", "softfail", "neutral") for each in record.mechanisms)


def test_long_records_take_no_time() -> None:
    for text in (
        "a:" + "a." * 30_000,
        "a:" + "%{d}" * 15_000,
        "x" * 60_000,
        " a" * 30_000,
        "a" + "/1" * 30_000,
    ):
        with pytest.raises(Invalid):
            parse_record("v=spf1 " + text + " :")
