# SPDX-License-Identifier: Apache-2.0
"""DMARC (RFC 9989): records, the walk up the DNS, alignment, which policy counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.trust import dmarc
from armgs_server.trust.dmarc import Record, parse_record
from tests.trust.conftest import MakeLookups
from tests.trust.zones import Zone, absolute, texts

HERE: Zone = {(absolute("sub.example.com"), "A"): ["192.0.2.1"]}


def records(**policies: str) -> Zone:
    """Names with "_" for the dots."""
    return texts(
        {f"_dmarc.{name.replace('_', '.')}": f"v=DMARC1; {policy}" for name, policy in policies.items()}
    )


async def outcome(
    make_lookups: MakeLookups, zone: Zone, author: str, spf: str = "", dkim: tuple[str, ...] = ()
) -> tuple[str, str, str]:
    found = await dmarc.evaluate(await make_lookups(zone), author, spf, dkim)
    return found.result, found.policy, found.organizational_domain


def test_records() -> None:
    found = parse_record(
        "v=DMARC1; p=Reject; sp=quarantine; adkim=s; t=y; rua=mailto:a@x.example!10m,https://x"
    )
    assert found == Record("reject", "quarantine", "quarantine", True, False, "u", True, ("a@x.example",))
    assert parse_record("v=DMARC1").policy == "none"
    assert parse_record("v=DMARC1; p=nonsense; rua=mailto:a@x.example").policy == "none"
    for wrong in ("", "v=DMARC2; p=none", "p=none; v=DMARC1", "v=dmarc1; p=none", "v=DMARC1 p=none", "x"):
        with pytest.raises(Invalid):
            parse_record(wrong)


@pytest.mark.parametrize(
    ("author", "spf", "dkim", "expected"),
    [
        ("example.com", "example.com", (), "pass"),
        ("example.com", "", ("example.com",), "pass"),
        ("example.com", "mail.example.com", (), "pass"),
        ("sub.example.com", "", ("example.com",), "pass"),
        ("sub.example.com", "mail.example.com", (), "pass"),
        ("example.com", "other.com", ("third.com",), "fail"),
        ("example.com", "", (), "fail"),
        ("example.com", "badexample.com", (), "fail"),
        ("example.com", "com", (), "fail"),
    ],
)
async def test_relaxed_alignment(
    make_lookups: MakeLookups, author: str, spf: str, dkim: tuple[str, ...], expected: str
) -> None:
    zone = records(example_com="p=reject") | HERE
    assert (await outcome(make_lookups, zone, author, spf, dkim))[0] == expected


async def test_strict_alignment(make_lookups: MakeLookups) -> None:
    zone = records(example_com="p=reject; adkim=s; aspf=s")
    assert (await outcome(make_lookups, zone, "example.com", "mail.example.com"))[0] == "fail"
    assert (await outcome(make_lookups, zone, "example.com", "", ("mail.example.com",)))[0] == "fail"
    assert (await outcome(make_lookups, zone, "example.com", "", ("example.com",)))[0] == "pass"


@pytest.mark.parametrize(
    ("zone", "author", "expected"),
    [
        (records(example_com="p=reject"), "example.com", ("fail", "reject", "example.com")),
        (records(example_com="p=reject; sp=none"), "sub.example.com", ("fail", "none", "example.com")),
        (records(example_com="p=none; np=reject"), "gone.example.com", ("fail", "reject", "example.com")),
        (records(example_com="p=none; np=reject"), "sub.example.com", ("fail", "none", "example.com")),
        (
            records(example_com="p=none", sub_example_com="p=reject"),
            "sub.example.com",
            ("fail", "reject", "example.com"),
        ),
        # psd=n cuts the walk, psd=y makes what is one label below it the organization
        (
            records(com="p=none", sub_example_com="p=reject; psd=n"),
            "a.sub.example.com",
            ("fail", "reject", "sub.example.com"),
        ),
        (records(com="p=reject; psd=y"), "a.example.com", ("fail", "reject", "example.com")),
        (
            records(com="p=none; psd=y", example_com="p=reject"),
            "a.example.com",
            ("fail", "reject", "example.com"),
        ),
        (records(com="p=quarantine; psd=y"), "com", ("fail", "quarantine", "com")),
        (records(example_com="p=reject; t=y"), "example.com", ("fail", "quarantine", "example.com")),
        (records(example_com="p=quarantine; t=y"), "example.com", ("fail", "none", "example.com")),
        (records(), "example.com", ("none", "", "example.com")),
    ],
)
async def test_which_policy_counts(
    make_lookups: MakeLookups, zone: Zone, author: str, expected: tuple[str, str, str]
) -> None:
    assert await outcome(make_lookups, zone | HERE, author) == expected


async def test_organizations_below_one_suffix_are_strangers(make_lookups: MakeLookups) -> None:
    zone = records(uk="p=none; psd=y", a_uk="p=reject", b_uk="p=reject")
    assert (await outcome(make_lookups, zone, "a.uk", "b.uk"))[0] == "fail"
    assert (await outcome(make_lookups, zone, "a.uk", "x.a.uk"))[0] == "pass"


async def test_two_records_are_none(make_lookups: MakeLookups) -> None:
    zone: Zone = {(absolute("_dmarc.example.com"), "TXT"): ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"']}
    assert (await outcome(make_lookups, zone, "example.com"))[0] == "none"


async def test_no_answer_is_no_verdict(make_lookups: MakeLookups) -> None:
    zone: Zone = {(absolute("_dmarc.example.com"), "SERVFAIL"): []}
    assert (await outcome(make_lookups, zone, "example.com"))[0] == "temperror"


def test_long_names_are_walked_in_eight_steps() -> None:
    """RFC 9989 §4.10"""
    asked = dmarc._names_to_ask("a.b.c.d.e.f.g.h.i.j.mail.example.com")
    assert asked[:2] == ["a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com"]
    assert len(asked) == 8 and asked[-1] == "com"
    assert dmarc._names_to_ask("mail.example.com") == ["mail.example.com", "example.com", "com"]


@given(
    st.text(max_size=100)
    | st.from_regex(r"v=DMARC1; ?([a-z]{1,5}=[a-z0-9:@.,!]{0,12}; ?){0,8}", fullmatch=True)
)
def test_any_text_is_a_record_or_none(text: str) -> None:
    try:
        record = parse_record(text)
    except Invalid:
        return
    assert record.policy in dmarc.POLICIES
