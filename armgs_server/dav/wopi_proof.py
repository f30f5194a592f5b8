# SPDX-License-Identifier: Apache-2.0
"""Proof keys of WOPI (MS-WOPI §2.2.1, §3.1.5.1.1.2.2.5): whether a request comes from the editor. Pure.

The editor signs access token, URL and time. It may have changed its key since its discovery was read, or
before: the old key's signature by the new key's holder counts, as does the new header by the old key.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from armgs_server.errors import Invalid
from armgs_server.storage import clock

# X-WOPI-TimeStamp counts 100 ns since the year 1; ours microseconds since 1970.
_TICKS = 10
_EPOCH = 62_135_596_800 * 1_000_000
MAX_AGE = 20 * clock.MINUTE
_MAX_KEY = 1024  # octets of a modulus
_MAX_DIGITS = 20


@dataclass(frozen=True, slots=True)
class ProofKeys:
    """What the editor signs with, and what it has signed with before."""

    current: RSAPublicKey
    old: RSAPublicKey | None


@dataclass(frozen=True, slots=True)
class Signed:
    """What one request shows."""

    token: str
    url: str
    timestamp: str
    proof: str
    proof_old: str


def parse_keys(attributes: Mapping[str, str]) -> ProofKeys:
    """The attributes of `proof-key` in the editor's discovery. Invalid."""
    current = _key(attributes.get("modulus", ""), attributes.get("exponent", ""))
    has_old = bool(attributes.get("oldmodulus"))
    old = _key(attributes["oldmodulus"], attributes.get("oldexponent", "")) if has_old else None
    return ProofKeys(current, old)


def is_proven(keys: ProofKeys, signed: Signed, now: int) -> bool:
    """Whether the request was signed by the editor, not long ago."""
    if (
        not signed.timestamp.isascii()
        or not signed.timestamp.isdigit()
        or len(signed.timestamp) > _MAX_DIGITS
    ):
        return False
    ticks = int(signed.timestamp)
    moment = ticks // _TICKS - _EPOCH
    if abs(now - moment) > MAX_AGE or ticks >= 1 << 63:
        return False
    expected = expected_proof(signed.token, signed.url, ticks)
    return (
        _is_signed(keys.current, signed.proof, expected)
        or _is_signed(keys.current, signed.proof_old, expected)
        or (keys.old is not None and _is_signed(keys.old, signed.proof, expected))
    )


def expected_proof(token: str, url: str, ticks: int) -> bytes:
    """What is signed: each part behind its length in four octets, the URL in capitals."""
    parts = (token.encode(), url.upper().encode(), struct.pack(">q", ticks))
    return b"".join(struct.pack(">i", len(part)) + part for part in parts)


def _is_signed(key: RSAPublicKey, signature: str, expected: bytes) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), expected, PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _key(modulus: str, exponent: str) -> RSAPublicKey:
    try:
        numbers = [base64.b64decode(each, validate=True) for each in (modulus, exponent)]
        if len(numbers[0]) > _MAX_KEY or len(numbers[1]) > len(numbers[0]):
            raise Invalid("the editor's proof key is too large")
        modulus_, exponent_ = (int.from_bytes(each, "big") for each in numbers)
        return RSAPublicNumbers(exponent_, modulus_).public_key()
    except (binascii.Error, ValueError) as error:
        raise Invalid("the editor's proof key is none") from error
