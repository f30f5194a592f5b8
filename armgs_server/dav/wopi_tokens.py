# SPDX-License-Identifier: Apache-2.0
"""Access tokens of WOPI (MS-WOPI §3.3.5.1): who may work on which one file, and until when. Pure.

The token says all of it, under a MAC with a secret of the store, so any process of any host can check it and
nothing is kept. Rights are asked anew with each request: whoever is disabled or loses the right to the file
has a token of no use.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import NamedTuple

from armgs_server import base64url
from armgs_server.errors import Invalid

SECRET = "wopi_secret"
_FIELDS = struct.Struct(">qqqq?q")
_MAC_SIZE = 32


class Claim(NamedTuple):
    """`may_write` is what the editor was opened for; `expires` as all times here."""

    person: int
    owner: int
    collection: int
    uid: int
    may_write: bool
    expires: int

    @property
    def file_id(self) -> str:
        """How a file is named in the editor's URLs; no secret."""
        return f"{self.owner}-{self.collection}-{self.uid}"


def serialise(claim: Claim, secret: bytes) -> str:
    """Fit for a URL."""
    data = _FIELDS.pack(*claim)
    return base64url.encode(data + _mac(data, secret))


def parse(token: str, secret: bytes, now: int) -> Claim | None:
    """None for what is no token of ours, or is over."""
    try:
        sealed = base64url.decode(token)
    except Invalid:
        return None
    data, mac = sealed[:-_MAC_SIZE], sealed[-_MAC_SIZE:]
    if len(data) != _FIELDS.size or not hmac.compare_digest(mac, _mac(data, secret)):
        return None
    claim = Claim(*_FIELDS.unpack(data))
    return claim if now < claim.expires else None


def _mac(data: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, data, hashlib.sha256).digest()
