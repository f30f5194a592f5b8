# SPDX-License-Identifier: Apache-2.0
"""smtp/sts.py: records, policies and names as RFC 8461 §3 and §4 have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.smtp import sts
from armgs_server.smtp.sts import Mode, Policy

TEXT = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"


def test_a_policy_is_read_and_written() -> None:
    policy = sts.parse_policy(TEXT)
    assert policy == Policy(Mode.ENFORCE, ("mail.example.com", "*.example.net"), 604800)
    assert sts.serialise_policy(policy) == TEXT
    assert (
        sts.parse_policy(TEXT.replace("\r\n", "\n") + "later: x\nmode: none\n") == policy
    )  # the first counts


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT.replace("STSv1", "STSv2"),
        TEXT.replace("enforce", "maybe"),
        TEXT.replace("604800", "-1"),
        TEXT.replace("604800", ""),
        TEXT.replace("mx:", "nx:"),
        TEXT + "mx: a.example\r\n" * 300,
    ],
)
def test_what_is_no_policy(text: str) -> None:
    assert sts.parse_policy(text) is None


def test_names_that_a_policy_allows() -> None:
    policy = Policy(Mode.ENFORCE, ("mail.example.com", "*.example.net"), 1)
    assert policy.allows("MAIL.example.com.")
    assert policy.allows("mx1.example.net")
    for name in ("example.net", "a.b.example.net", "example.com", "other.example.com", ""):
        assert not policy.allows(name), name


def test_the_record_of_a_domain() -> None:
    assert sts.parse_record(["v=STSv1; id=20160831085700Z;"]) == "20160831085700Z"
    assert sts.parse_record(["other", "v=STSv1;id=1"]) == "1"
    for texts in (
        [],
        ["v=STSv1;"],
        ["v=STSv2; id=1"],
        ["v=STSv1; id=1", "v=STSv1; id=2"],
        ["v=STSv1; id=a-b"],
    ):
        assert sts.parse_record(texts) is None, texts


@given(st.text(max_size=300))
def test_any_text_is_a_policy_or_none(text: str) -> None:
    policy = sts.parse_policy(text)
    assert policy is None or 0 <= policy.max_age <= sts.LONGEST
    assert sts.parse_record([text]) is None or "STSv1" in text
