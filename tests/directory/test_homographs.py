# SPDX-License-Identifier: Apache-2.0
"""Addresses that look like others, and Cyrillic ones that are quite all right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.directory.homographs import check_scripts, twin
from armgs_server.errors import AlreadyExists, Invalid
from tests.directory.conftest import Workplace

CYRILLIC_A = "\u0430"


@pytest.mark.parametrize(
    "name", ["ivanov", "иванов", "иван.петров-2", "ёлкина", "пётр", "naïve", "東京とうきょう"]
)
def test_names_of_one_script(name: str) -> None:
    check_scripts(name)


@pytest.mark.parametrize("name", [f"iv{CYRILLIC_A}nov", "иваnов", "\u03bfleg"])
def test_names_of_two(name: str) -> None:
    with pytest.raises(Invalid):
        check_scripts(name)


@pytest.mark.parametrize(
    ("name", "other"), [("сосо", "coco"), ("coco", "сосо"), ("x-1", "х-1"), ("иванов", ""), ("12", "")]
)
def test_twins(name: str, other: str) -> None:
    assert twin(name) == other


@given(st.text())
def test_a_twin_of_a_twin_is_the_name(name: str) -> None:
    other = twin(name)
    assert not other or twin(other) == name


async def test_a_twin_of_somebody_is_refused_and_other_cyrillic_names_are_not(workplace: Workplace) -> None:
    directory = workplace.directory
    await directory.create_person("coco@digital.example")
    with pytest.raises(AlreadyExists, match="looks like"):
        await directory.create_person("сосо@digital.example")
    with pytest.raises(AlreadyExists, match="looks like"):
        await directory.add_alias(workplace.ivanov, "сосо@digital.example")
    with pytest.raises(Invalid, match="Cyrillic and Latin"):
        await directory.create_person(f"iv{CYRILLIC_A}nov@digital.example")
    with pytest.raises(Invalid):
        await directory.add_domain(workplace.digital, f"digit{CYRILLIC_A}l.example")
    await directory.create_department("Coco", ["coco.example"])
    with pytest.raises(AlreadyExists, match="looks like"):
        await directory.add_domain(workplace.digital, "сосо.example")
    made = await directory.create_person("Ёлкина@цифра.example")
    assert made.address == "ёлкина@цифра.example"
    assert await directory.by_address("ЁЛКИНА@ЦИФРА.EXAMPLE") == made
