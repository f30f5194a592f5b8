# SPDX-License-Identifier: Apache-2.0
"""vCards: what is stored, what is refused and at which line, what is searched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats.vcard import check, parameter_values, search_text, split

CARD = """\
BEGIN:VCARD
VERSION:3.0
UID:abc-1
FN:Анна Петрова\\, бухгалтер
N:Петрова;Анна;;;
item1.EMAIL;TYPE=INTERNET,PREF:Petrova@Digital.example
TEL;TYPE=CELL:+7 (912) 123-45-67
ORG:Digital;Accounts
END:VCARD
"""


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def test_a_card() -> None:
    card = check(crlf(CARD))
    assert (card.uid, card.version, card.fn) == ("abc-1", "3.0", "Анна Петрова, бухгалтер")
    assert card.emails == ["Petrova@Digital.example"]
    assert not card.is_group
    assert parameter_values(card.all("EMAIL")[0], "TYPE") == ["INTERNET", "PREF"]
    assert parameter_values(card.all("FN")[0], "TYPE") is None
    assert check(crlf(CARD.replace("3.0", "4.0").replace("ORG:", "KIND:group\nORG:"))).is_group


def test_what_people_search_for() -> None:
    assert search_text(check(crlf(CARD))).split("\n") == [
        "анна петрова, бухгалтер",
        "петрова анна",
        "petrova@digital.example",
        "+79121234567",
        "+7 (912) 123-45-67",
        "digital accounts",
    ]


@pytest.mark.parametrize(
    ("replacement", "reason"),
    [
        (("UID:abc-1\n", ""), "line 1: no UID"),
        (("UID:abc-1", "UID:"), "line 3: no UID"),
        (("FN:", "X-FN:"), "line 1: no FN"),
        (("VERSION:3.0", "VERSION:2.1"), "line 2: VERSION is 2.1"),
        (("VERSION:3.0\n", ""), "line 1: VERSION is missing"),
        (("END:VCARD\n", ""), "line 1: the vCard has no END"),
        (("END:VCARD\n", "END:VCARD\nX:y\n"), "line 9: something after END:VCARD"),
        (("ORG:", "BEGIN:VCARD\nORG:"), "line 8: a second BEGIN in one object"),
        (("ORG:Digital", "ORG"), "line 8: not a content line"),
        (("BEGIN:VCARD", "BEGIN:VCALENDAR"), "line 1: not a vCard"),
    ],
)
def test_refused_with_the_line(replacement: tuple[str, str], reason: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check(crlf(CARD.replace(*replacement)))
    assert str(refusal.value).startswith(reason)


def test_split_of_an_export() -> None:
    assert [part.data for part in split(crlf(CARD))[0]] == [crlf(CARD)]
    second = CARD.replace("abc-1", "abc-2")
    broken = CARD.replace("ORG:Digital", "ORG")
    old = CARD.replace("3.0", "2.1")
    parts, refused = split(crlf(CARD + broken + old + second))
    assert [(part.card.uid, part.line) for part in parts] == [("abc-1", 1), ("abc-2", 28)]
    assert [str(error).partition(" (")[0] for error in refused] == [
        "line 17: not a content line",
        "line 20: VERSION is 2.1",
    ]
    assert [check(part.data).fn for part in parts] == ["Анна Петрова, бухгалтер"] * 2
    assert [error.line for error in split(b"")[1]] == [1]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for attempt in (data, b"BEGIN:VCARD\nVERSION:3.0\nUID:1\nFN:a\n" + data + b"\nEND:VCARD\n"):
        try:
            search_text(check(attempt))
        except Invalid as error:
            assert 1 <= error.line <= attempt.count(b"\n") + 1
        parts, refused = split(attempt)
        assert parts or refused


def test_a_parameter_without_a_value() -> None:
    # COMPAT: Apple's Address Book writes pictures as vCard 2.1 did.
    data = crlf(CARD.replace("END:VCARD", "PHOTO;BASE64:\n  /9j/4AAQ\nEND:VCARD"))
    (photo,) = check(data).all("PHOTO")
    assert (photo[1], photo[2]) == (";BASE64", " /9j/4AAQ")
