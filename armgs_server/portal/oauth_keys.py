# SPDX-License-Identifier: Apache-2.0
"""ID tokens of OpenID Connect: a signed JWT (RFC 7519, RFC 7515) and the key to check it with (RFC 7517).

One key for the store, P-256 for ES256 (RFC 7518 §3.4), made when first asked for; its name is its thumbprint
(RFC 7638), so another key would be known as another.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from armgs_server.storage import Store
from armgs_server.storage.tx import Tx

ALGORITHM: Final = "ES256"
_NAME: Final = "oauth_key"
_SIZE: Final = 32  # bytes of a coordinate


class Keys:
    """Signs; the key is read from the store once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key: ec.EllipticCurvePrivateKey | None = None

    async def jwks(self) -> dict[str, Any]:
        """The JWK Set (RFC 7517 §5)."""
        return {"keys": [_public(await self._load())]}

    async def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWT in the compact form (RFC 7515 §3.1)."""
        key = await self._load()
        header = {"alg": ALGORITHM, "typ": "JWT", "kid": _public(key)["kid"]}
        signed = f"{_encoded(header)}.{_encoded(claims)}"
        # RFC 7518 §3.4: R and S as octets one behind the other, not as ASN.1
        r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64(r.to_bytes(_SIZE) + s.to_bytes(_SIZE))}"

    async def _load(self) -> ec.EllipticCurvePrivateKey:
        if self._key is None:
            pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )

            async def work(tx: Tx) -> str:
                await tx.execute(
                    "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
                    _NAME,
                    pem.decode(),
                )
                return str(await tx.value("SELECT value FROM meta WHERE name = ?", _NAME))

            loaded = serialization.load_pem_private_key((await self._store.write(work)).encode(), None)
            assert isinstance(loaded, ec.EllipticCurvePrivateKey)
            self._key = loaded
        return self._key


def _public(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    point = {
        "crv": "P-256",
        "kty": "EC",
        "x": _base64(numbers.x.to_bytes(_SIZE)),
        "y": _base64(numbers.y.to_bytes(_SIZE)),
    }
    # RFC 7638 §3: the required members alone, in the order of their names
    thumbprint = hashlib.sha256(json.dumps(point, separators=(",", ":")).encode()).digest()
    return {**point, "kid": _base64(thumbprint), "alg": ALGORITHM, "use": "sig"}


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
