# SPDX-License-Identifier: Apache-2.0
"""SCRAM's arithmetic against the examples of RFC 5802 §5 and RFC 7677 §3; SASLprep against RFC 4013 §3."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.directory.scram import Hash, is_proof, make_keys, parse_keys, prepare, server_signature
from armgs_server.errors import Invalid

EXAMPLES: list[tuple[Hash, str, bytes, str, str]] = [
    (
        "sha1",
        "QSXCR+Q6sek8bf92",
        b"n=user,r=fyko+d2lbbFgONRv9qkxdawL,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,"
        b"i=4096,c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
        "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    (
        "sha256",
        "W22ZaJ0SNY7soEsUEjb6gQ==",
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
]


@pytest.mark.parametrize(("hash_name", "salt", "auth_message", "proof", "signature"), EXAMPLES)
def test_the_examples_of_the_rfcs(
    hash_name: Hash, salt: str, auth_message: bytes, proof: str, signature: str
) -> None:
    keys = make_keys(hash_name, b"pencil", base64.b64decode(salt), 4096)
    assert is_proof(hash_name, keys, auth_message, base64.b64decode(proof))
    assert not is_proof(hash_name, keys, auth_message + b"x", base64.b64decode(proof))
    assert not is_proof(hash_name, keys, auth_message, b"short")
    assert base64.b64encode(server_signature(hash_name, keys, auth_message)).decode() == signature


def test_keys_come_back_as_they_were_kept() -> None:
    keys = make_keys("sha1", b"pencil", b"0123456789abcdef", 4096)
    assert keys.serialise().startswith("4096$MDEyMzQ1Njc4OWFiY2RlZg==$")
    assert parse_keys(keys.serialise()) == keys


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("пароль\u00a0мой", "пароль мой"),
        ("\u0627\u0628", "\u0627\u0628"),
    ],
)
def test_saslprep(text: str, prepared: str) -> None:
    assert prepare(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "\u0627\u0031", "\u0627a\u0628", "\ufffd", "\ue000", "a\x00b"])
def test_saslprep_refuses(text: str) -> None:
    with pytest.raises(Invalid):
        prepare(text)


@given(st.text())
def test_saslprep_either_refuses_or_is_done_at_once(text: str) -> None:
    try:
        once = prepare(text)
    except Invalid:
        return
    assert prepare(once) == once
