# SPDX-License-Identifier: Apache-2.0
"""Keys of DKIM and ARC: public ones in the DNS (RFC 6376 §3.6, RFC 8463 §3), private ones as PEM.

rsa-sha1 is never made nor believed (RFC 8301 §3.1); RSA keys count from 1024 bits on (RFC 8301 §3.2).
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from armgs_server.errors import Invalid
from armgs_server.trust.tags import parse_base64, parse_tags, words

PublicKey: TypeAlias = rsa.RSAPublicKey | ed25519.Ed25519PublicKey
PrivateKey: TypeAlias = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

RSA_BITS = 2048
# What is believed (RFC 8301 §3.2); longer ones would let strangers cost us.
SHORTEST_RSA = 1024
LONGEST_RSA = 4096
KEY_TYPES = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A public key as its domain publishes it."""

    key: PublicKey | None  # None: revoked
    key_type: str
    is_testing: bool = False  # t=y
    is_strict: bool = False  # t=s: the identity's domain is the signer's, not one below


@lru_cache(maxsize=1000)
def parse_key_record(text: str) -> KeyRecord:
    """RFC 6376 §3.6.1; Invalid."""
    tags = parse_tags(text)
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise Invalid("the key's version is not DKIM1")
    if "h" in tags and "sha256" not in words(tags["h"]):
        raise Invalid("the key is not for sha256")
    if "s" in tags and not {"*", "email"} & set(words(tags["s"])):
        raise Invalid("the key is not for mail")
    flags = words(tags.get("t", ""))
    key_type = tags.get("k", "rsa")
    if "p" not in tags:
        raise Invalid("the record has no key")
    data = parse_base64(tags["p"])
    key = _load_public(key_type, data) if data else None
    return KeyRecord(key, key_type, "y" in flags, "s" in flags)


def _load_public(key_type: str, data: bytes) -> PublicKey:
    try:
        if key_type == "ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(data)  # RFC 8463 §4: the 32 octets alone
        key = serialization.load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Invalid("the key cannot be read") from error
    if key_type != "rsa" or not isinstance(key, rsa.RSAPublicKey):
        raise Invalid(f"the key is not of type {key_type[:20]}")
    return key


def is_of_fitting_size(key: PublicKey) -> bool:
    """RFC 8301 §3.2"""
    return not isinstance(key, rsa.RSAPublicKey) or SHORTEST_RSA <= key.key_size <= LONGEST_RSA


def verify(key: PublicKey, signature: bytes, data: bytes) -> bool:
    """Whether the signature is of the data: RFC 6376 §3.3.2, RFC 8463 §3."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, hashlib.sha256(data).digest())
    except InvalidSignature:
        return False
    return True


def sign(key: PrivateKey, data: bytes) -> bytes:
    """The signature of the data."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(hashlib.sha256(data).digest())


def algorithm_of(key: PrivateKey) -> str:
    """The name in a=."""
    return "rsa-sha256" if isinstance(key, rsa.RSAPrivateKey) else "ed25519-sha256"


def generate(algorithm: str) -> bytes:
    """A new private key, PEM."""
    key: PrivateKey = (
        rsa.generate_private_key(65537, RSA_BITS)
        if algorithm == "rsa-sha256"
        else ed25519.Ed25519PrivateKey.generate()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_private(pem: bytes) -> PrivateKey:
    """Invalid where it is no key that signs mail."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Invalid("the private key cannot be read") from error
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise Invalid("the private key is neither RSA nor Ed25519")
    return key


def dns_record(key: PrivateKey) -> str:
    """What the domain must publish for the key (RFC 6376 §3.6.1, RFC 8463 §4)."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        data = public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return f"v=DKIM1; k=rsa; p={b64encode(data).decode()}"
    data = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return f"v=DKIM1; k=ed25519; p={b64encode(data).decode()}"
