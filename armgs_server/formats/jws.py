# SPDX-License-Identifier: Apache-2.0
"""Signed tokens of others: JWS in the compact form (RFC 7515 §5.2), checked with a JWK Set (RFC 7517 §5).

What must hold:
- The algorithm is one of a few, all of them with public keys: neither `none` nor any HMAC (RFC 8725 §3.1), so
  that a published key is never taken for a secret.
- A key checks signatures of its own kind alone, and of its own algorithm where it names one (RFC 8725 §3.2).
- Whatever bytes come: the claims, or Invalid.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from armgs_server import base64url
from armgs_server.errors import Invalid, NotFound

_EDWARDS: Final = ("EdDSA", "Ed25519")  # RFC 9864 §2.2: one thing, and its newer name
ALGORITHMS: Final = ("RS256", "PS256", "ES256", *_EDWARDS)
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey

_RSA_LEAST: Final = 2048  # bits (RFC 7518 §3.3)
_RSA_MOST: Final = 8192  # bits: a larger one costs time, not safety
_EXPONENT_MOST: Final = 2**32
_COORDINATE: Final = 32  # bytes of P-256


@dataclass(frozen=True, slots=True)
class Key:
    """One key that may check signatures by the algorithms it names."""

    kid: str
    algorithms: tuple[str, ...]
    public: PublicKey


def parse_keys(data: bytes, limit: int) -> tuple[Key, ...]:
    """The keys of a JWK Set that are of use; Invalid where it is none, or holds more than `limit`."""
    found = parse_object(data).get("keys")
    if not isinstance(found, list) or len(found) > limit:
        raise Invalid(f"a set of up to {limit} keys is expected")
    # RFC 7517 §5: keys of unknown kinds, or without what they need, are passed over
    return tuple(key for each in found if isinstance(each, dict) and (key := _key(each)) is not None)


def verify(token: str, keys: Sequence[Key]) -> dict[str, Any]:
    """The claims of a token that one of the keys has signed. NotFound: its key is not among them. Invalid."""
    parts = token.split(".")
    if len(parts) != 3:
        raise Invalid("not a signed token in the compact form")
    header = parse_object(_decoded(parts[0]))
    algorithm, kid = header.get("alg"), header.get("kid", "")
    if algorithm not in ALGORITHMS:
        raise Invalid("signed by an algorithm that is not permitted")
    # RFC 7515 §4.1.11: what `crit` names must be understood, and nothing of it is; RFC 7797: neither is b64
    if not isinstance(kid, str) or "crit" in header or "b64" in header:
        raise Invalid("a header that is not understood")
    fitting = [key for key in keys if algorithm in key.algorithms and kid in ("", key.kid)]
    if not fitting:
        raise NotFound("signed by a key that is not known")
    if len(fitting) > 1:  # OpenID Connect Core §10.1: without a name there must be one alone
        raise Invalid("it does not say by which key it is signed")
    signature, signed = _decoded(parts[2]), f"{parts[0]}.{parts[1]}".encode()
    try:
        _check(fitting[0].public, algorithm, signature, signed)
    except InvalidSignature as error:
        raise Invalid("the signature is wrong") from error
    return parse_object(_decoded(parts[1]))


def parse_object(data: bytes) -> dict[str, Any]:
    """A JSON object (RFC 8259), whose names are there once each (RFC 7515 §4); Invalid."""
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Invalid("not JSON") from error
    if not isinstance(found, dict):
        raise Invalid("not a JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _check(public: PublicKey, algorithm: str, signature: bytes, signed: bytes) -> None:
    """Raises InvalidSignature. The algorithm is one of the key's."""
    if isinstance(public, Ed25519PublicKey):  # RFC 8037 §3.1
        public.verify(signature, signed)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        # RFC 7518 §3.4: R and S one behind the other, each of the curve's size
        if len(signature) != 2 * _COORDINATE:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:_COORDINATE]), int.from_bytes(signature[_COORDINATE:])
        public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    elif algorithm == "PS256":  # RFC 7518 §3.5: the salt is of the hash's size
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
        public.verify(signature, signed, pss, hashes.SHA256())
    else:  # RFC 7518 §3.3
        public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())


def _key(jwk: Mapping[str, Any]) -> Key | None:
    """What a JWK is good for here; None: nothing."""
    use, operations = jwk.get("use", "sig"), jwk.get("key_ops", ["verify"])
    kid, algorithm = jwk.get("kid", ""), jwk.get("alg")
    if use != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        possible, public = _public(jwk)
    except (Invalid, ValueError, UnsupportedAlgorithm):
        return None
    algorithms = possible if algorithm is None else tuple(each for each in possible if each == algorithm)
    return Key(kid, algorithms, public) if isinstance(kid, str) and algorithms else None


def _public(jwk: Mapping[str, Any]) -> tuple[tuple[str, ...], PublicKey]:
    """The algorithms of its kind, and the key. ValueError where numbers make none. Invalid."""
    kind, curve = jwk.get("kty"), jwk.get("crv")
    if kind == "RSA":  # RFC 7518 §6.3.1
        modulus, exponent = _number(jwk.get("n")), _number(jwk.get("e"))
        if not _RSA_LEAST <= modulus.bit_length() <= _RSA_MOST or exponent > _EXPONENT_MOST:
            raise Invalid("a key of a size that is not taken")
        return ("RS256", "PS256"), rsa.RSAPublicNumbers(exponent, modulus).public_key()
    if (kind, curve) == ("EC", "P-256"):  # RFC 7518 §6.2.1
        numbers = ec.EllipticCurvePublicNumbers(_number(jwk.get("x")), _number(jwk.get("y")), ec.SECP256R1())
        return ("ES256",), numbers.public_key()
    if (kind, curve) == ("OKP", "Ed25519"):  # RFC 8037 §2
        return _EDWARDS, Ed25519PublicKey.from_public_bytes(_decoded(jwk.get("x")))
    raise Invalid("a key of another kind")


def _number(text: object) -> int:
    return int.from_bytes(_decoded(text))


def _decoded(text: object) -> bytes:
    """RFC 7515 §2: base64url, without padding and anything else."""
    if not isinstance(text, str):
        raise Invalid("not base64url")
    return base64url.decode(text)
