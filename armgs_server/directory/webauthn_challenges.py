# SPDX-License-Identifier: Apache-2.0
"""Challenges and user handles of Web Authentication (Level 3 §13.4.3, §14.6.1), made with the store's secret.

A challenge is the moment, chance, and a keyed hash over both with the browser and the purpose it is for: any
worker can check it, and nobody fills a table by asking.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from armgs_server.config import WebAuthnSettings
from armgs_server.directory.passwords import Passwords
from armgs_server.errors import Invalid
from armgs_server.storage import clock

_TIME_SIZE: Final = 8  # bytes
_NONCE_SIZE: Final = 16
_MAC_SIZE: Final = 32
_HANDLE_SIZE: Final = 16  # one block
_NUMBER_LIMIT: Final = 1 << 63  # what the engines' integers hold


class Challenges:
    """`bound` names a browser: the form token of its page; `purpose` any word."""

    def __init__(self, passwords: Passwords, settings: WebAuthnSettings) -> None:
        self._passwords = passwords
        self._settings = settings

    def make(self, bound: str, purpose: str) -> bytes:
        """A new one."""
        told = clock.now().to_bytes(_TIME_SIZE) + secrets.token_bytes(_NONCE_SIZE)
        return told + self._mac(told, bound, purpose)

    def check(self, challenge: bytes, bound: str, purpose: str) -> int:
        """When it is over by its time; Invalid for one that was not given out for this, or is over."""
        told, mac = challenge[:-_MAC_SIZE], challenge[-_MAC_SIZE:]
        if not hmac.compare_digest(mac, self._mac(told, bound, purpose)):
            raise Invalid("a challenge that was not given to this browser for this")
        expires = int.from_bytes(told[:_TIME_SIZE]) + int(self._settings.timeout * clock.SECOND)
        if expires <= clock.now():
            raise Invalid("a challenge that is over")
        return expires

    def _mac(self, told: bytes, bound: str, purpose: str) -> bytes:
        data = told + f"{purpose}\0{bound}".encode()
        return self._passwords.keyed(b"webauthn asked", data, size=_MAC_SIZE)


def handle_of(passwords: Passwords, principal: int) -> bytes:
    """The user handle: the same for a person at all times, so that an authenticator keeps one passkey."""
    maker = _cipher(passwords).encryptor()
    return maker.update(principal.to_bytes(_HANDLE_SIZE)) + maker.finalize()


def principal_of(passwords: Passwords, handle: bytes) -> int:
    """Whose user handle it is; 0 for one that was not made here."""
    if len(handle) != _HANDLE_SIZE:
        return 0
    reader = _cipher(passwords).decryptor()
    number = int.from_bytes(reader.update(handle) + reader.finalize())
    return number if number < _NUMBER_LIMIT else 0


def _cipher(passwords: Passwords) -> Cipher[ECB]:
    # A permutation of single blocks under a key of this store: a mode would have nothing to hide.
    return Cipher(AES(passwords.keyed(b"webauthn user", b"", size=_HANDLE_SIZE)), ECB())
