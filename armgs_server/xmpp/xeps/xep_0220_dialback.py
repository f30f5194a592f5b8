# SPDX-License-Identifier: Apache-2.0
"""XEP-0220: Server Dialback: its elements, and the keys of XEP-0185. The streams are in `federation/`.

A key proves that whoever shows it on a stream knows the secret of the domain it claims: the domain's own
server is asked. It holds for one stream only, because the stream's id, chosen by who verifies, is in it.
"""

from __future__ import annotations

import hashlib
import hmac

from armgs_server.xmpp.stanza import ERROR_TYPES, STANZAS, element

NAMESPACE = "jabber:server:dialback"
STREAM_FEATURE = element(
    "dialback", {"xmlns": "urn:xmpp:features:dialback"}, element("errors")
)  # §2.4.2: errors are told in the answer, not by closing the stream
SECRET = "dialback_secret"  # in the store: every process of this server makes and knows the same keys


def make_key(secret: bytes, receiving: str, originating: str, stream_id: str) -> str:
    """XEP-0185 §3: HMAC-SHA256 under the hexadecimal hash of the secret."""
    key = hashlib.sha256(secret).hexdigest().encode()
    message = f"{receiving} {originating} {stream_id}".encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def is_key(secret: bytes, receiving: str, originating: str, stream_id: str, key: str) -> bool:
    expected = make_key(secret, receiving, originating, stream_id)
    return hmac.compare_digest(expected.encode(), key.strip().encode())


def result(ours: str, theirs: str, key: str) -> bytes:
    """§2.1.1: what the initiating server sends."""
    return element("db:result", {"from": ours, "to": theirs}, key.encode())


def verify(ours: str, theirs: str, stream_id: str, key: str) -> bytes:
    """§2.1.2: what the receiving server asks the authoritative one."""
    return element("db:verify", {"from": ours, "to": theirs, "id": stream_id}, key.encode())


def answer(
    name: str, ours: str, theirs: str, *, is_valid: bool = False, error: str = "", stream_id: str = ""
) -> bytes:
    """§2.2: the answer to either, valid, invalid or (§2.4) an error."""
    type_ = "error" if error else "valid" if is_valid else "invalid"
    inner = b""
    if error:
        inner = element("error", {"type": ERROR_TYPES[error]}, element(error, {"xmlns": STANZAS}))
    return element(f"db:{name}", {"from": ours, "to": theirs, "id": stream_id, "type": type_}, inner)
