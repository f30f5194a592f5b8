# SPDX-License-Identifier: Apache-2.0
"""What an application server of Web Push sends: an encrypted message (RFC 8291, RFC 8188) and a proof of who
sends it (VAPID, RFC 8292). Pure but for chance.
"""

from __future__ import annotations

import base64
import json
import os
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from armgs_server import base64url
from armgs_server.errors import Invalid

KEY_SIZE = 65  # of a point of P-256 in uncompressed form
SECRET_SIZE = 16  # RFC 8291 §3.2
RECORD_SIZE = 4096  # RFC 8291 §4: what a push service has to take
LARGEST = RECORD_SIZE - 16 - 1 - (16 + 4 + 1 + KEY_SIZE)  # of a message
TOKEN_LIFETIME = 12 * 3600  # RFC 8292 §2: no more than 24 hours
_SCALAR = 32


def parse_key(data: bytes) -> ec.EllipticCurvePublicKey:
    """A point of P-256 in uncompressed form; Invalid."""
    try:
        if len(data) != KEY_SIZE:
            raise ValueError("another size")
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
    except ValueError as error:
        raise Invalid("not a public key on P-256 in uncompressed form") from error


def serialise_key(key: ec.EllipticCurvePublicKey) -> bytes:
    """The same, the other way."""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def encrypt(
    message: bytes,
    public_key: bytes,
    auth_secret: bytes,
    salt: bytes | None = None,
    sender: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """The message in one record of aes128gcm; salt and the sender's key are new for each message."""
    assert len(message) <= LARGEST
    salt = salt or os.urandom(16)
    sender = sender or ec.generate_private_key(ec.SECP256R1())
    own = serialise_key(sender.public_key())
    shared = sender.exchange(ec.ECDH(), parse_key(public_key))
    # RFC 8291 §3.3 and §3.4
    keying = _derive(auth_secret, shared, b"WebPush: info\0" + public_key + own, 32)
    key = _derive(salt, keying, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(salt, keying, b"Content-Encoding: nonce\0", 12)
    # RFC 8188 §2: 2 marks the last record, which is record 0: the nonce as it is
    record = AESGCM(key).encrypt(nonce, message + b"\x02", None)
    return salt + RECORD_SIZE.to_bytes(4) + bytes([len(own)]) + own + record


def _derive(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(material)


def authorization(key: ec.EllipticCurvePrivateKey, endpoint: str, contact: str, now: int) -> str:
    """The Authorization field of a request to a push service (RFC 8292 §3); `now` in seconds."""
    parts = urlsplit(endpoint)
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": now + TOKEN_LIFETIME, "sub": contact}
    signed = f"{_encoded({'typ': 'JWT', 'alg': 'ES256'})}.{_encoded(claims)}"
    # RFC 7518 §3.4: R and S as octets one behind the other
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    signature = base64url.encode(r.to_bytes(_SCALAR) + s.to_bytes(_SCALAR))
    return f"vapid t={signed}.{signature}, k={base64url.encode(serialise_key(key.public_key()))}"


def _encoded(value: dict[str, object]) -> str:
    return base64url.encode(json.dumps(value, separators=(",", ":")).encode())


def parse_base64url(text: str) -> bytes:
    """base64url, or base64, with or without padding; Invalid."""
    try:
        plain = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError as error:
        raise Invalid("not base64url") from error
