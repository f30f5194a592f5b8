# SPDX-License-Identifier: Apache-2.0
"""vCard 3.0 and 4.0: what changes, what stays, and that both are cards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats.contentline import serialise
from armgs_server.formats.vcard import check
from armgs_server.formats.vcard_convert import convert


def card(version: str, *lines: str) -> bytes:
    return "\r\n".join(
        ["BEGIN:VCARD", f"VERSION:{version}", "UID:u1", "FN:Анна Петрова", *lines, "END:VCARD", ""]
    ).encode()


PAIRS = [
    ("EMAIL;TYPE=WORK,PREF:a@b.example", "EMAIL;PREF=1;TYPE=work:a@b.example"),
    ("EMAIL;TYPE=INTERNET:a@b.example", "EMAIL:a@b.example"),
    ("PHOTO;ENCODING=b;TYPE=JPEG:AAECAw==", "PHOTO:data:image/jpeg;base64,AAECAw=="),
    ("BDAY:1980-02-29", "BDAY:19800229"),
    ("REV:2026-11-22T07:00:00Z", "REV:20261122T070000Z"),
    ("GEO:55.75;37.62", "GEO:geo:55.75,37.62"),
    ("X-ADDRESSBOOKSERVER-KIND:group", "KIND:group"),
    ("X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:u2", "MEMBER:urn:uuid:u2"),
    ("item1.X-ABDATE:1", "ITEM1.X-ABDATE:1"),
    ("NOTE:a\\, b", "NOTE:a\\, b"),
    ("CLASS:PRIVATE", "X-CLASS:PRIVATE"),
]


@pytest.mark.parametrize(("three", "four"), PAIRS)
def test_what_is_said_differently(three: str, four: str) -> None:
    converted = convert(card("3.0", "N:Петрова;Анна;;;", three), "4.0").decode()
    assert four in converted.split("\r\n") and converted.startswith("BEGIN:VCARD\r\nVERSION:4.0\r\n")
    assert check(converted.encode()).version == "4.0"


@pytest.mark.parametrize(
    ("four", "three"),
    [
        ("EMAIL;PREF=1;TYPE=work:a@b.example", "EMAIL;TYPE=work,PREF:a@b.example"),
        ("TEL;VALUE=uri;TYPE=cell:tel:+7-900", "TEL;TYPE=cell:+7-900"),
        ("PHOTO:data:image/png;base64,AAEC", "PHOTO;ENCODING=b;TYPE=PNG:AAEC"),
        ("PHOTO:https://b.example/a.png", "PHOTO;VALUE=uri:https://b.example/a.png"),
        ("BDAY:19800229", "BDAY:1980-02-29"),
        ("BDAY:--0229", "BDAY:--0229"),
        ("GEO:geo:55.75,37.62;u=9", "GEO:55.75;37.62"),
        ("KIND:group", "X-ADDRESSBOOKSERVER-KIND:group"),
    ],
)
def test_and_back(four: str, three: str) -> None:
    converted = convert(card("4.0", four), "3.0")
    lines = converted.decode().split("\r\n")
    assert three in lines and "N:Анна Петрова;;;;" in lines  # what 3.0 must have
    assert check(converted).version == "3.0"


def test_the_version_that_is_there_stays_byte_for_byte() -> None:
    data = card("3.0", "X-ODD;a=b:c")
    assert convert(data, "3.0") is data


def test_what_is_no_card() -> None:
    with pytest.raises(Invalid):
        convert(b"BEGIN:VCARD\r\nnothing\r\nEND:VCARD\r\n", "4.0")


NAMES = st.sampled_from(
    ["EMAIL", "TEL", "PHOTO", "BDAY", "REV", "GEO", "KIND", "item1.TEL", "X-A", "KEY", "CLASS", "ADR"]
)
PARAMETERS = st.sampled_from(
    [
        "",
        ";TYPE=WORK,pref",
        ";PREF=1",
        ";ENCODING=b",
        ";VALUE=uri",
        ';X="a:b;c"',
        ";TYPE=JPEG;ENCODING=BASE64",
    ]
)
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30)


@given(st.sampled_from(["3.0", "4.0"]), st.lists(st.tuples(NAMES, PARAMETERS, VALUES), max_size=8))
def test_anything_stays_a_card(version: str, lines: list[tuple[str, str, str]]) -> None:
    head = [("BEGIN", "", "VCARD"), ("VERSION", "", version), ("UID", "", "u"), ("FN", "", "f")]
    data = serialise([*head, *lines, ("END", "", "VCARD")])
    try:
        check(data)
    except Invalid:
        return
    other = {"3.0": "4.0", "4.0": "3.0"}[version]
    there = convert(data, other)
    assert check(there).version == other
    assert check(convert(there, version)).uid == "u"
