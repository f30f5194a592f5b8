# SPDX-License-Identifier: Apache-2.0
"""The key pair by which push services know this server (VAPID, RFC 8292): one for the store."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from armgs_server import base64url
from armgs_server.net.web_push import serialise_key
from armgs_server.storage import Store
from armgs_server.storage.tx import Tx

_NAME = "push_key"


class PushKey:
    """Made when first asked for, read from the store once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key: ec.EllipticCurvePrivateKey | None = None

    async def public(self) -> str:
        """As clients are told it: uncompressed, in base64url."""
        return base64url.encode(serialise_key((await self.load()).public_key()))

    async def load(self) -> ec.EllipticCurvePrivateKey:
        """The key."""
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
