# SPDX-License-Identifier: Apache-2.0
"""The base subject: RFC 5256 §2.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats.base_subject import base_subject, casemap


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("", ("", False)),
        ("b", ("b", False)),
        ("Re: b", ("b", True)),
        ("re[4]: b", ("b", True)),
        ("[list] Fwd: [bar] Re: fw: b (fWd)  (fwd)", ("b", True)),
        ("Re: [FWD: c]", ("c", True)),
        ("re: [fwd: [fwd: re: [fwd: babylon]]]", ("babylon", True)),
        ("[xyz]", ("[xyz]", False)),
        ("[list] b", ("b", False)),
        ("b (a)", ("b (a)", False)),
        ("Ad: Re: x", ("Ad: Re: x", False)),
        ("  two \t words ", ("two words", False)),
    ],
)
def test_what_a_subject_is_about(subject: str, expected: tuple[str, bool]) -> None:
    assert base_subject(subject) == expected


@given(st.text(st.sampled_from("re:[]fwd () \tx"), max_size=200))
def test_nothing_is_left_to_take_off(subject: str) -> None:
    base, _ = base_subject(subject)
    assert base_subject(base)[0] == base


def test_letters_compare_without_case_and_accents_apart() -> None:
    assert casemap("Привет") == casemap("пРИВЕТ")
    assert casemap("é") == casemap("E\u0301")
    assert sorted(["_", "b", "A"], key=casemap) == ["A", "b", "_"]


def test_combining_characters_without_end_cost_no_minutes() -> None:
    assert len(casemap("a" + "\u0301\u0316" * 100_000)) < 100
