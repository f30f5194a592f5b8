# SPDX-License-Identifier: Apache-2.0
"""The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), for a log-in as a chat program does it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets


class ScramFailed(Exception):
    """The server's part is not what it must be."""


class ScramClient:
    """One exchange. The name must be ASCII without "=" and ",": nothing is escaped or prepared."""

    def __init__(self, username: str, password: str, nonce: str = "") -> None:
        self._nonce = nonce or secrets.token_urlsafe(18)
        self._password = password.encode()
        self._bare = f"n={username},r={self._nonce}"
        self._signature = b""

    def first(self) -> bytes:
        """RFC 5802 §7 client-first-message; no channel binding, and none wanted."""
        return f"n,,{self._bare}".encode()

    def final(self, server_first: bytes) -> bytes:
        """client-final-message, with the proof. ScramFailed."""
        text = server_first.decode()
        fields = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
        nonce, salt, iterations = fields.get("r", ""), fields.get("s", ""), fields.get("i", "")
        if not nonce.startswith(self._nonce) or nonce == self._nonce or not iterations.isdigit():
            raise ScramFailed("the server's first message is not an answer to ours")
        salted = hashlib.pbkdf2_hmac("sha256", self._password, base64.b64decode(salt), int(iterations))
        client_key = _hmac(salted, b"Client Key")
        without_proof = f"c=biws,r={nonce}"
        message = f"{self._bare},{text},{without_proof}".encode()
        signature = _hmac(hashlib.sha256(client_key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._signature = _hmac(_hmac(salted, b"Server Key"), message)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, server_final: bytes) -> None:
        """ScramFailed unless the server knows the keys as well."""
        said = server_final.decode().split(",")[0].removeprefix("v=")
        if not self._signature or not hmac.compare_digest(base64.b64decode(said), self._signature):
            raise ScramFailed("the server does not know this account's keys")


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")
