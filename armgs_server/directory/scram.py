# SPDX-License-Identifier: Apache-2.0
"""SCRAM's arithmetic (RFC 5802 §3) and the preparation of passwords (SASLprep, RFC 4013).

`salted_password` is the one slow function here: 10,000 rounds of PBKDF2 take milliseconds, so it runs in
the password threads, once when a password is set. Everything a log-in needs takes microseconds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import stringprep
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from armgs_server.errors import Invalid
from armgs_server.formats.stream_safe import stream_safe

Hash: TypeAlias = Literal["sha1", "sha256"]

SALT_SIZE: Final = 16

# RFC 4013 §2.3
_PROHIBITED: Final = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


@dataclass(frozen=True, slots=True)
class Keys:
    """What the server keeps of a password for one hash function."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes

    def serialise(self) -> str:
        """iterations$salt$stored$server, the last three in base64."""
        parts = (self.salt, self.stored_key, self.server_key)
        return "$".join([str(self.iterations), *(base64.b64encode(part).decode() for part in parts)])


def parse_keys(text: str) -> Keys:
    """The inverse of Keys.serialise."""
    iterations, *parts = text.split("$")
    salt, stored_key, server_key = map(binascii.a2b_base64, parts)
    return Keys(salt, int(iterations), stored_key, server_key)


def make_keys(hash_name: Hash, password: bytes, salt: bytes, iterations: int) -> Keys:
    """RFC 5802 §3: StoredKey := H(HMAC(SaltedPassword, "Client Key")), ServerKey := HMAC(…, "Server Key")."""
    salted_password = hashlib.pbkdf2_hmac(hash_name, password, salt, iterations)
    client_key = hmac.digest(salted_password, b"Client Key", hash_name)
    stored_key = hashlib.new(hash_name, client_key).digest()
    return Keys(salt, iterations, stored_key, hmac.digest(salted_password, b"Server Key", hash_name))


def is_proof(hash_name: Hash, keys: Keys, auth_message: bytes, proof: bytes) -> bool:
    """Whether ClientProof was made by somebody who knows the password. Takes the same time for any proof."""
    client_signature = hmac.digest(keys.stored_key, auth_message, hash_name)
    size = len(client_signature)
    if len(proof) != size:
        return False
    client_key = (int.from_bytes(proof) ^ int.from_bytes(client_signature)).to_bytes(size)
    return hmac.compare_digest(hashlib.new(hash_name, client_key).digest(), keys.stored_key)


def server_signature(hash_name: Hash, keys: Keys, auth_message: bytes) -> bytes:
    """What proves to the client that the server knows the keys."""
    return hmac.digest(keys.server_key, auth_message, hash_name)


@lru_cache(maxsize=64)
def offer_digest(hash_name: Hash, mechanisms: tuple[str, ...], channel_bindings: tuple[str, ...]) -> str:
    """XEP-0474 §5.1: the hash of the mechanisms and kinds of channel binding that were offered."""
    offered = "\x1e".join(sorted(mechanisms))
    kinds = "\x1e".join(sorted(channel_bindings))
    text = f"{offered}\x1f{kinds}" if kinds else offered
    return base64.b64encode(hashlib.new(hash_name, text.encode()).digest()).decode()


def prepare(text: str) -> str:
    """SASLprep (RFC 4013) as for a query: code points unassigned in Unicode 3.2 pass. Invalid."""
    if text.isascii() and text.isprintable():
        return text
    if stream_safe(text) != text:
        raise Invalid("it holds too many combining characters in a row")
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    if any(prohibited(character) for character in prepared for prohibited in _PROHIBITED):
        raise Invalid("it holds a character that no password may have")
    _check_bidi(prepared)
    return prepared


def _check_bidi(text: str) -> None:
    """RFC 3454 §6: right-to-left text has no left-to-right character and begins and ends right-to-left."""
    if not any(stringprep.in_table_d1(character) for character in text):
        return
    if any(stringprep.in_table_d2(character) for character in text):
        raise Invalid("it mixes writing directions")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise Invalid("right-to-left text must begin and end right-to-left")
