# SPDX-License-Identifier: Apache-2.0
"""Content lines: folding, parameters, escapes, and where a line is in its file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats import contentline
from armgs_server.formats.contentline import parameters, scan, serialise, split_list, unescape


def test_line_numbers_count_folds_and_blank_lines() -> None:
    data = b"BEGIN:VCALENDAR\r\n\r\nX-LONG:a\r\n b\r\n c\r\nBROKEN\r\nEND:VCALENDAR\r\n"
    with pytest.raises(Invalid) as refusal:
        scan(data)
    assert refusal.value.line == 6
    control = b"BEGIN:VCALENDAR\r\nX-LONG:a\r\n b\r\n c\x07\r\nEND:VCALENDAR\r\n"
    with pytest.raises(Invalid) as refusal:
        scan(control)
    assert refusal.value.line == 4


def test_parameters() -> None:
    assert parameters("") == {}
    assert parameters(';TZID=Europe/Moscow;X-A="a;b:c","d",e;x-a=f') == {
        "TZID": ["Europe/Moscow"],
        "X-A": ["a;b:c", "d", "e", "f"],
    }
    assert parameters(";CN=Ann^'s ^^ ^n;EMPTY=") == {"CN": ['Ann"s ^ \n'], "EMPTY": [""]}  # RFC 6868


def test_text_values() -> None:
    assert unescape(r"a\nb\Nc\,d\;e\\f") == "a\nb\nc,d;e\\f"
    assert split_list(r"a\,b,c,,d\\") == ["a,b", "c", "", "d\\"]
    assert split_list(r"Family\;x;Given;;", ";") == ["Family;x", "Given", "", ""]


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"),
        max_size=400,
    )
)
def test_serialised_lines_are_short_and_come_back(value: str) -> None:
    data = serialise([("SUMMARY", ";X=1", value)])
    assert all(len(line) <= contentline.LINE_OCTETS for line in data.split(b"\r\n"))
    assert scan(data) == [("SUMMARY", ";X=1", value)]
