# SPDX-License-Identifier: Apache-2.0
"""Signed tokens: what another implementation (joserfc) signs is read, and each kind of forgery is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as joserfc_jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from armgs_server.errors import DomainError, Invalid, NotFound
from armgs_server.formats.jws import ALGORITHMS, parse_keys, parse_object, verify

CLAIMS: Final = {"sub": "ivanov", "name": "Иванов"}
RSA: Final = RSAKey.generate_key(2048)
EC: Final = ECKey.generate_key("P-256")
ED: Final = OKPKey.generate_key("Ed25519")
BY_ALGORITHM: Final[dict[str, RSAKey | ECKey | OKPKey]] = {
    "RS256": RSA,
    "PS256": RSA,
    "ES256": EC,
    "EdDSA": ED,
    "Ed25519": ED,
}


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwk(key: RSAKey | ECKey | OKPKey, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **more}


def key_set(*jwks: dict[str, Any], limit: int = 20) -> Any:
    return parse_keys(json.dumps({"keys": jwks}).encode(), limit)


def signed(algorithm: str, **header: Any) -> str:
    payload = json.dumps(CLAIMS).encode()
    protected = {"alg": algorithm, **header}
    key = BY_ALGORITHM[algorithm]
    return joserfc_jws.serialize_compact(protected, payload, key, algorithms=[algorithm])


def forged(header: dict[str, Any], signature: bytes = b"") -> str:
    head = encoded(json.dumps(header).encode())
    return f"{head}.{encoded(json.dumps(CLAIMS).encode())}.{encoded(signature)}"


# joserfc warns of the older name, which is the one that providers use.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")

ALL: Final = key_set(jwk(RSA, kid="rsa"), jwk(EC, kid="ec"), jwk(ED, kid="ed"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_another_implementation_signs(algorithm: str) -> None:
    assert verify(signed(algorithm), ALL) == CLAIMS
    kid = {"ES256": "ec", "EdDSA": "ed", "Ed25519": "ed"}.get(algorithm, "rsa")
    assert verify(signed(algorithm, kid=kid, typ="JWT"), ALL) == CLAIMS


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nothing_of_it_can_be_changed(algorithm: str) -> None:
    head, payload, signature = signed(algorithm).split(".")
    other = encoded(json.dumps({**CLAIMS, "sub": "petrova"}).encode())
    for token in (
        f"{head}.{other}.{signature}",
        f"{head}.{payload}.",
        f"{head}.{payload}.{encoded(bytes(64))}",
        f"{head}.{payload}.{signature[:-4]}",
        f"{encoded(json.dumps({'alg': algorithm, 'x': 1}).encode())}.{payload}.{signature}",
    ):
        with pytest.raises(Invalid):
            verify(token, ALL)


def test_no_algorithm_and_no_secret_will_do() -> None:
    for name in ("none", "None", "HS256", "RS1", "ES384", "", None, ["RS256"], 1):
        with pytest.raises(Invalid, match="not permitted"):
            verify(forged({"alg": name}), ALL)
    # The public key taken for the secret of an HMAC, in each form it may be had in.
    public = RSA.public_key
    assert isinstance(public, rsa.RSAPublicKey)
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ):
        token = forged({"alg": "HS256", "kid": "rsa"})
        mac = hmac.digest(secret, token.rpartition(".")[0].encode(), hashlib.sha256)
        with pytest.raises(Invalid, match="not permitted"):
            verify(forged({"alg": "HS256", "kid": "rsa"}, mac), ALL)


def test_a_key_is_for_its_own_algorithm() -> None:
    with pytest.raises(NotFound):
        verify(signed("ES256", kid="rsa"), ALL)
    assert verify(signed("RS256"), key_set(jwk(RSA, alg="RS256"))) == CLAIMS
    with pytest.raises(NotFound):
        verify(signed("PS256"), key_set(jwk(RSA, alg="RS256")))
    for useless in (
        jwk(RSA, use="enc"),
        jwk(RSA, key_ops=["encrypt"]),
        jwk(RSA, key_ops="verify"),
        jwk(RSA, alg="HS256"),
        jwk(RSA, kid=1),
        jwk(RSA, n="AQAB"),
        jwk(RSA, e="AA"),
        jwk(RSA, n="*"),
        jwk(EC, x=encoded(bytes(32))),
        jwk(EC, crv="P-384"),
        jwk(ED, x="AA"),
        {"kty": "oct", "k": "c2VjcmV0"},
        {},
    ):
        assert key_set(useless) == ()


def test_which_key() -> None:
    with pytest.raises(NotFound):
        verify(signed("ES256", kid="other"), ALL)
    another = ECKey.generate_key("P-256")
    two = key_set(jwk(EC, kid="ec"), jwk(another, kid="another"))
    with pytest.raises(Invalid, match="by which key"):
        verify(signed("ES256"), two)
    assert verify(signed("ES256", kid="ec"), two) == CLAIMS
    with pytest.raises(Invalid, match="signature"):
        verify(signed("ES256", kid="another"), two)


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"b64": False}, {"kid": 1}, {"kid": ["ec"]}])
def test_headers_that_are_not_understood(header: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="not understood"):
        verify(forged({"alg": "ES256", **header}), ALL)


def test_what_is_no_token() -> None:
    token = signed("ES256")
    for text in (
        "",
        ".",
        "..",
        "a.b.c",
        token + ".",
        token + "=",
        " " + token,
        token.replace(".", ".."),
        "é" * 9,
    ):
        with pytest.raises(Invalid):
            verify(text, ALL)


def test_what_is_no_set_of_keys() -> None:
    for data in (b"", b"[]", b"{}", b'{"keys":{}}', b"\xff", b'{"keys":[],"keys":[]}', b"[" * 100_000):
        with pytest.raises(Invalid):
            parse_keys(data, 20)
    assert parse_keys(b'{"keys":[1,"a",null]}', 20) == ()
    with pytest.raises(Invalid, match="up to 1 keys"):
        key_set(jwk(EC), jwk(ED), limit=1)


@given(st.binary(), st.text())
def test_any_bytes_are_read_or_invalid(data: bytes, text: str) -> None:
    for attempt in (
        lambda: parse_object(data),
        lambda: parse_keys(data, 20),
        lambda: verify(text, ALL),
        lambda: verify(f"{encoded(data)}.{encoded(data)}.{encoded(data)}", ALL),
    ):
        try:
            assert attempt() is not None
        except DomainError as error:
            assert isinstance(error, Invalid)


_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


_MEMBERS: Final = ("kty", "crv", "x", "y", "n", "e", "use", "alg", "kid", "key_ops")
_VALUES: Final = ("RSA", "EC", "OKP", "P-256", "Ed25519", "AQAB")


@given(st.dictionaries(st.sampled_from(_MEMBERS), st.sampled_from(_VALUES) | _JSON))
def test_any_key_is_taken_or_passed_over(jwk: dict[str, Any]) -> None:
    assert len(key_set(jwk)) <= 1


@given(st.dictionaries(st.sampled_from(["alg", "kid", "crit", "typ"]), st.sampled_from(ALGORITHMS) | _JSON))
def test_any_header_without_a_signature_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises((Invalid, NotFound)):
        verify(forged(header, b"x" * 64), ALL)
