# SPDX-License-Identifier: Apache-2.0
"""BER as LDAP has it: what is read, what is refused, and that both sides agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.ldap.ber import OCTET_STRING, SEQUENCE, Reader, element, integer, parse_header, string


def test_elements_one_after_the_other() -> None:
    reader = Reader(bytes.fromhex("3009 0201 05 0402 6162 0500"))
    inner = reader.enter(SEQUENCE)
    assert inner.integer() == 5
    assert inner.peek() == OCTET_STRING
    assert inner.text() == "ab"
    inner.skip()
    assert inner.peek() == -1
    assert reader.peek() == -1


@pytest.mark.parametrize(
    ("data", "value"),
    [("0201 00", 0), ("0201 7f", 127), ("0202 0080", 128), ("0204 7fffffff", 2147483647), ("0203 000001", 1)],
)
def test_numbers(data: str, value: int) -> None:
    assert Reader(bytes.fromhex(data)).integer() == value


@pytest.mark.parametrize("data", ["0200", "0201ff", "0205 0080000000", "0209 000000000000000001", "0401 00"])
def test_what_is_no_number(data: str) -> None:
    with pytest.raises(Invalid):
        Reader(bytes.fromhex(data)).integer()


def test_truth() -> None:
    assert Reader(b"\x01\x01\xff").boolean()
    assert Reader(b"\x01\x01\x01").boolean()
    assert not Reader(b"\x01\x01\x00").boolean()
    with pytest.raises(Invalid):
        Reader(b"\x01\x02\x00\x00").boolean()


@pytest.mark.parametrize(
    "data",
    [
        "04",  # no length
        "0405 6162",  # more than there is
        "0480 0000",  # indefinite
        "0485 0000000001 61",  # five octets of length
        "0484 ffffffff",
        "1f8101 00",  # an identifier of several octets
        "",
    ],
)
def test_what_is_no_element(data: str) -> None:
    with pytest.raises(Invalid):
        Reader(bytes.fromhex(data)).read(OCTET_STRING)


def test_an_element_ends_before_what_holds_it() -> None:
    with pytest.raises(Invalid):
        Reader(bytes.fromhex("3003 0403 61 6263")).enter(SEQUENCE).text()


def test_text_is_utf_8() -> None:
    with pytest.raises(Invalid):
        Reader(b"\x04\x02\xff\xfe").text()


def test_a_header_that_has_not_come_whole() -> None:
    assert parse_header(b"\x30", 0, 1) is None
    assert parse_header(b"\x30\x82\x01", 0, 3) is None
    assert parse_header(b"\x30\x82\x01\x00", 0, 4) == (4, 256)


def test_what_is_written() -> None:
    assert integer(0) == bytes.fromhex("020100")
    assert integer(128) == bytes.fromhex("02020080")
    assert integer(-1) == bytes.fromhex("0201ff")
    assert string("ю") == bytes.fromhex("0402d18e")
    assert element(4, bytes(128))[:3] == bytes.fromhex("048180")
    assert element(4, bytes(65536))[:5] == bytes.fromhex("0483010000")


@given(st.integers(0, 2147483647), st.binary(max_size=300))
def test_what_is_written_is_read(number: int, data: bytes) -> None:
    reader = Reader(element(SEQUENCE, integer(number) + string(data))).enter(SEQUENCE)
    assert reader.integer() == number
    assert reader.read(OCTET_STRING) == data


@given(st.binary(max_size=40))
def test_any_bytes(data: bytes) -> None:
    reader = Reader(data)
    try:
        while (tag := reader.peek()) >= 0:
            reader.enter(tag).skip()
    except Invalid:
        return
    assert reader.peek() == -1
