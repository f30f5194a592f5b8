# SPDX-License-Identifier: Apache-2.0
"""A security key in software (Web Authentication Level 3 §6): makes credentials, signs with them, counts.

`create` and `get` take the options that a page has asked with, and give what its script would send.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40  # §6.1: flags
ES256, EDDSA, RS256 = -7, -8, -257


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Credential:
    rp_id: str
    id: bytes
    user: bytes
    key: Any
    algorithm: int


@dataclass
class Authenticator:
    """`verifies`: it knows its owner; `counts`: it has a counter; `client` changes what the browser says."""

    origin: str
    verifies: bool = True
    counts: bool = True
    synced: bool = False
    algorithm: int = ES256
    aaguid: bytes = bytes(16)
    count: int = 0
    credentials: list[Credential] = field(default_factory=list)
    client: dict[str, Any] = field(default_factory=dict)
    flags: int | None = None  # instead of those that would be right

    def create(
        self, options: Mapping[str, Any], fmt: str = "none", statement: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """navigator.credentials.create()."""
        assert self.algorithm in [each["alg"] for each in options["pubKeyCredParams"]]
        assert not {each["id"] for each in options["excludeCredentials"]} & {
            encode(each.id) for each in self.credentials
        }, "InvalidStateError"
        made = Credential(
            options["rp"]["id"],
            secrets.token_bytes(32),
            decode(options["user"]["id"]),
            _new_key(self.algorithm),
            self.algorithm,
        )
        self.credentials.append(made)
        attested = self.aaguid + len(made.id).to_bytes(2) + made.id + cbor2.dumps(_cose(made))
        data = self._authenticator_data(made.rp_id, AT) + attested
        client = self._client_data("webauthn.create", options)
        if fmt == "packed" and statement is None:  # self attestation (§8.2)
            statement = {"alg": made.algorithm, "sig": _sign(made, data + hashlib.sha256(client).digest())}
        attestation = cbor2.dumps({"fmt": fmt, "attStmt": statement or {}, "authData": data})
        response = {
            "clientDataJSON": encode(client),
            "attestationObject": encode(attestation),
            "transports": ["usb", "nfc", "carrier-pigeon"],
        }
        return {"id": encode(made.id), "rawId": encode(made.id), "type": "public-key", "response": response}

    def get(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """navigator.credentials.get(): with the first key that may answer."""
        allowed = [each["id"] for each in options["allowCredentials"]]
        found = [
            each
            for each in self.credentials
            if each.rp_id == options["rpId"] and (not allowed or encode(each.id) in allowed)
        ]
        assert found, "NotAllowedError"
        used = found[-1]
        self.count += self.counts
        data = self._authenticator_data(used.rp_id, 0)
        client = self._client_data("webauthn.get", options)
        response = {
            "clientDataJSON": encode(client),
            "authenticatorData": encode(data),
            "signature": encode(_sign(used, data + hashlib.sha256(client).digest())),
        }
        if not allowed:
            response["userHandle"] = encode(used.user)
        return {"id": encode(used.id), "rawId": encode(used.id), "type": "public-key", "response": response}

    def _client_data(self, kind: str, options: Mapping[str, Any]) -> bytes:
        told = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps({**told, **self.client}).encode()

    def _authenticator_data(self, rp_id: str, more: int) -> bytes:
        flags = UP | (UV if self.verifies else 0) | (BE | BS if self.synced else 0)
        if self.flags is not None:
            flags = self.flags
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags | more]) + self.count.to_bytes(4)


def _new_key(algorithm: int) -> Any:
    if algorithm == ES256:
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == EDDSA:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def _cose(credential: Credential) -> dict[int, Any]:
    """RFC 9053 §7, RFC 8230 §4."""
    public = credential.key.public_key()
    if credential.algorithm == ES256:
        numbers = public.public_numbers()
        return {1: 2, 3: ES256, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
    if credential.algorithm == EDDSA:
        return {1: 1, 3: EDDSA, -1: 6, -2: public.public_bytes_raw()}
    numbers = public.public_numbers()
    return {1: 3, 3: RS256, -1: numbers.n.to_bytes(256), -2: numbers.e.to_bytes(3)}


def _sign(credential: Credential, data: bytes) -> bytes:
    if credential.algorithm == ES256:
        return bytes(credential.key.sign(data, ec.ECDSA(hashes.SHA256())))
    if credential.algorithm == EDDSA:
        return bytes(credential.key.sign(data))
    return bytes(credential.key.sign(data, padding.PKCS1v15(), hashes.SHA256()))
