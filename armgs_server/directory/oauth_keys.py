# SPDX-License-Identifier: Apache-2.0
"""The keys that sign ID tokens, and how another takes the place of one (OpenID Connect Core §10.1.1).

P-256 for ES256 (RFC 7518 §3.4); a key's name is its thumbprint (RFC 7638). What must hold: a key is published
before it signs, for longer than a service keeps the set of keys; it stays published until the last token that
it has signed is over. Every worker reads them from the store, so all change at the same moment.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from armgs_server import log
from armgs_server.errors import Conflict
from armgs_server.storage import clock, oauth_keys
from armgs_server.storage.oauth_keys import OAuthKey
from armgs_server.storage.tx import Tx

ALGORITHM: Final = "ES256"
TOKEN_LIFETIME: Final = 600  # seconds: an ID token is read when it comes
SET_LIFETIME: Final = 3600  # seconds that a service may keep the set of keys
_MARGIN: Final = 300  # seconds by which the clocks of services may be wrong
_SIZE: Final = 32  # bytes of a coordinate

_log = log.get("login")


async def signing(tx: Tx, now: int) -> OAuthKey:
    """The key that signs now; the first one is made when it is first asked for."""
    begun = [each for each in await oauth_keys.published(tx, now) if each.starts <= now]
    return begun[-1] if begun else await replace(tx, now, at_once=True)


async def replace(tx: Tx, now: int, *, at_once: bool = False) -> OAuthKey:
    """A new key, which signs once services must have seen it. Conflict where one is waiting already.

    `at_once`: it signs now and the others are gone, with what they have signed: for when one is known to
    others.
    """
    known = await oauth_keys.published(tx, now)
    starts = now
    if at_once:
        await oauth_keys.remove_all(tx)
    elif known:
        if known[-1].starts > now:
            raise Conflict("a new key is published already, and does not sign yet")
        starts = now + (SET_LIFETIME + _MARGIN) * clock.SECOND
        await oauth_keys.retire(tx, starts + (TOKEN_LIFETIME + _MARGIN) * clock.SECOND)
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made = OAuthKey(public_jwk(private)["kid"], pem.decode(), now, starts, 0)
    await oauth_keys.add(tx, made)
    _log.info("new key for ID tokens", key=made.id, at_once=int(at_once))
    return made


async def replace_old(tx: Tx, now: int, days: int) -> int:
    """Replaces the newest key where it is so old, removes those that are over; how many are new or gone."""
    gone = await oauth_keys.expire(tx, now)
    known = await oauth_keys.published(tx, now)
    if not days or not known or known[-1].created > now - days * clock.DAY or known[-1].starts > now:
        return gone
    await replace(tx, now)
    return gone + 1


def load(key: OAuthKey) -> ec.EllipticCurvePrivateKey:
    """The key itself."""
    loaded = serialization.load_pem_private_key(key.private.encode(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return loaded


def public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """The JWK to check with (RFC 7517 §4)."""
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


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
