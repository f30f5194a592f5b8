# SPDX-License-Identifier: Apache-2.0
"""Messages and proofs of Web Push: the example of RFC 8291, and another library that decrypts."""

from __future__ import annotations

import os

import http_ece  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from armgs_server import base64url
from armgs_server.errors import Invalid
from armgs_server.net.web_push import (
    LARGEST,
    authorization,
    encrypt,
    parse_base64url,
    parse_key,
    serialise_key,
)
from tests.dav.push_service import check_vapid


def private(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(parse_base64url(text)), ec.SECP256R1())


def test_the_example_of_the_standard() -> None:
    """RFC 8291 §5."""
    receiver = private("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")
    made = encrypt(
        b"When I grow up, I want to be a watermelon",
        serialise_key(receiver.public_key()),
        parse_base64url("BTBZMqHH6r4Tts7J_aSIgg"),
        parse_base64url("DGv6ra1nlYgDCS1FRnbzlw"),
        private("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
    )
    assert base64url.encode(made) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6"
        "PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@given(st.binary(max_size=LARGEST))
def test_another_library_reads_it(message: bytes) -> None:
    key, secret = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
    made = encrypt(message, serialise_key(key.public_key()), secret)
    assert http_ece.decrypt(made, private_key=key, auth_secret=secret) == message
    assert len(made) <= 4096


@given(st.binary(max_size=100))
def test_keys_that_are_none(data: bytes) -> None:
    with pytest.raises(Invalid):
        parse_key(data)


@given(st.text(max_size=100))
def test_base64url(text: str) -> None:
    try:
        data = parse_base64url(text)
    except Invalid:
        return
    assert parse_base64url(base64url.encode(data)) == data


def test_the_proof_names_the_push_service() -> None:
    """RFC 8292 §2: aud is the origin, exp within a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    field = authorization(key, "https://push.example:8443/a?b=c", "mailto:postmaster@digital.example", 1000)
    public, claims = check_vapid(field)
    assert parse_base64url(public) == serialise_key(key.public_key())
    assert claims == {
        "aud": "https://push.example:8443",
        "exp": 1000 + 12 * 3600,
        "sub": "mailto:postmaster@digital.example",
    }
