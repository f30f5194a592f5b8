# SPDX-License-Identifier: Apache-2.0
"""ID tokens of OpenID Connect: a signed JWT (RFC 7519, RFC 7515) and the keys to check it with (RFC 7517).

Which key signs is read each time: every worker changes to a new one at the same moment, and a key that was
taken away signs nothing more anywhere. Made and replaced they are in directory/oauth_keys.py.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from armgs_server.directory import oauth_keys
from armgs_server.directory.oauth_keys import ALGORITHM
from armgs_server.storage import Store, clock
from armgs_server.storage.oauth_keys import OAuthKey, published
from armgs_server.storage.tx import Tx

_SIZE: Final = 32  # bytes of each half of a signature


class Keys:
    """Signs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loaded: tuple[str, ec.EllipticCurvePrivateKey] | None = None

    async def jwks(self) -> dict[str, Any]:
        """The JWK Set (RFC 7517 §5)."""
        await self._signing()  # so that there is one
        found = await self._store.read(lambda tx: published(tx, clock.now()))
        return {"keys": [oauth_keys.public_jwk(oauth_keys.load(each)) for each in found]}

    async def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWT in the compact form (RFC 7515 §3.1)."""
        row = await self._signing()
        if self._loaded is None or self._loaded[0] != row.id:
            self._loaded = row.id, oauth_keys.load(row)
        header = {"alg": ALGORITHM, "typ": "JWT", "kid": row.id}
        signed = f"{_encoded(header)}.{_encoded(claims)}"
        # RFC 7518 §3.4: R and S as octets one behind the other, not as ASN.1
        r, s = decode_dss_signature(self._loaded[1].sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64(r.to_bytes(_SIZE) + s.to_bytes(_SIZE))}"

    async def _signing(self) -> OAuthKey:
        now = clock.now()

        async def begun(tx: Tx) -> list[OAuthKey]:
            return [each for each in await published(tx, now) if each.starts <= now]

        found = await self._store.read(begun)
        return found[-1] if found else await self._store.write(lambda tx: oauth_keys.signing(tx, now))


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
