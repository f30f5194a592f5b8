# SPDX-License-Identifier: Apache-2.0
"""Addresses and names that a principal may have."""

from __future__ import annotations

import pytest

from armgs_server.directory.model import DATA_LIMIT, check_address, check_name, to_json
from armgs_server.errors import Invalid


def test_an_address_is_kept_in_its_normal_spelling() -> None:
    assert check_address("Ivanov@Digital.Example") == "ivanov@digital.example"
    assert check_address("иванов@XN--80APYPI.example") == "иванов@цифра.example"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ivanov",
        "@d.example",
        "a b@d.example",
        "a+b@d.example",
        "a/b@d.example",
        '"a b"@d.example',
        "a'b@d.example",
    ],
)
def test_an_address_that_no_jid_can_have_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        check_address(text)


def test_a_name_loses_the_spaces_around_it() -> None:
    assert check_name("  Иванов Иван ") == "Иванов Иван"


@pytest.mark.parametrize("text", ["two\nlines", "bell\x07", "half \ud800", "x" * 501])
def test_a_name_with_control_characters_or_without_end_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        check_name(text)


def test_data_leave_out_what_is_none_and_have_a_limit() -> None:
    assert to_json({"mobile": None, "telephone": "+7"}) == '{"telephone": "+7"}'
    with pytest.raises(Invalid):
        to_json({"note": "x" * DATA_LIMIT})
    with pytest.raises(Invalid):
        to_json({"note": "half \ud800"})
