# SPDX-License-Identifier: Apache-2.0
"""smtp/downgrade.py: what is converted says the same to the standard library (RFC 6152, RFC 3030)."""

from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.smtp import downgrade
from armgs_server.smtp.downgrade import CannotConvert

RUSSIAN = "Привет, = мир\r\n.точка\r\n" + "длинная строка " * 30 + "\r\n"
HEAD = b"From: a@b.example\r\nMIME-Version: 1.0\r\n"
PLAIN = (
    HEAD
    + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + RUSSIAN.encode()
)
MIXED = (
    HEAD + b"Content-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"preamble\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + RUSSIAN.encode()
    + b"\r\n--x\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    b"\x00\xff\r\x00\n\r\n--x\r\n"
    b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + PLAIN + b"\r\n--x--\r\n"
)


def leaves(text: bytes) -> list[bytes]:
    message = email.message_from_bytes(text, policy=email.policy.default)
    return [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]


def test_text_becomes_quoted_printable() -> None:
    converted = downgrade.to_7bit(PLAIN)
    assert converted.isascii()
    assert b"\r\nContent-Transfer-Encoding: quoted-printable\r\n" in converted
    assert leaves(converted) == [RUSSIAN.encode()]
    assert max(map(len, converted.split(b"\r\n"))) <= 76
    assert converted.count(b"\n") == converted.count(b"\r\n")


def test_a_tree_is_converted_leaf_by_leaf() -> None:
    converted = downgrade.to_7bit(MIXED)
    assert converted.isascii()
    assert leaves(converted)[0] == RUSSIAN.encode()
    assert leaves(converted)[1] == b"\x00\xff\r\x00\n"
    assert leaves(converted)[2] == RUSSIAN.encode()
    assert b"8bit" not in converted and b"binary" not in converted
    assert converted.startswith(HEAD) and b"preamble\r\n--x\r\n" in converted


def test_where_8_bits_go_only_what_is_binary_is_converted() -> None:
    converted = downgrade.without_binary(MIXED, is_8bit=True)
    assert RUSSIAN.encode() in converted
    assert b"\x00" not in converted
    assert leaves(converted)[1] == b"\x00\xff\r\x00\n"


@pytest.mark.parametrize("text", [b"", b"\r\n", b"From: a@b.example\r\n\r\nplain\r\n", HEAD])
def test_what_is_7_bit_already_stays_as_it_is(text: bytes) -> None:
    assert downgrade.to_7bit(text) == text


def test_a_message_without_mime_gets_it() -> None:
    converted = downgrade.to_7bit(b"From: a@b.example\r\n\r\n" + RUSSIAN.encode())
    assert b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" in converted
    assert converted.isascii()


def test_what_is_signed_is_not_touched() -> None:
    signed = MIXED.replace(b"multipart/mixed", b"multipart/signed")
    with pytest.raises(CannotConvert):
        downgrade.to_7bit(signed)
    harmless = signed.replace(b"\xd0", b"x").replace(b"\xd1", b"x")
    assert downgrade.without_binary(PLAIN, is_8bit=True) == PLAIN
    with pytest.raises(CannotConvert):
        downgrade.without_binary(harmless, is_8bit=True)  # the picture is signed, too


def test_a_header_that_is_not_ascii_cannot_be_converted() -> None:
    with pytest.raises(CannotConvert):
        downgrade.to_7bit("Subject: Привет\r\n\r\n".encode())


@given(st.binary(max_size=400))
def test_any_bytes_become_7_bit_or_are_refused(data: bytes) -> None:
    try:
        converted = downgrade.to_7bit(data)
    except CannotConvert:
        return
    assert converted.isascii()
