# SPDX-License-Identifier: Apache-2.0
"""OAUTHBEARER (RFC 7628) and XOAUTH2, its older form, as machines like those of sasl.py: no I/O.

One message with an access token. Where that is not good, the client is told in JSON what would be and where
to get it, says that it has understood, and only then the exchange fails (RFC 7628 §3.2.3).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final, Literal

from armgs_server.directory.sasl import MESSAGE_LIMIT, Challenge, SaslError

# RFC 7628 §3.1. client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep
# gs2-header = gs2-cbind-flag "," ["a=" authzid] ","; without a -PLUS form the flag is n or y.
_SASLNAME: Final = r"(?:[^\0,=\x01]|=2C|=3D)+"
# kvpair = key "=" value kvsep; key = 1*(ALPHA); value = *(VCHAR / SP / HTAB / CR / LF)
_PAIRS: Final = r"(?:[A-Za-z]+=[\x21-\x7e \t\r\n]*\x01)*"
_BEARER: Final = re.compile(rf"[ny],(?:a=({_SASLNAME}))?,\x01({_PAIRS})\x01")
# user= is the address as it is, which may be outside of ASCII.
_XOAUTH2: Final = re.compile(rf"user=([^\0\x01]*)\x01({_PAIRS})\x01")
# credentials = "Bearer" 1*SP b64token (RFC 6750 §2.1)
_CREDENTIALS: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")


@dataclass(frozen=True, slots=True)
class CheckToken:
    """The client shows an access token, "" where it asks only what is needed; `authzid` is who it says it
    is, or wants to act as, "" for whoever the token names."""

    authzid: str
    token: str


class Bearer:
    """See the module's docstring. `mechanism` is OAUTHBEARER or XOAUTH2."""

    def __init__(self, mechanism: Literal["OAUTHBEARER", "XOAUTH2"]) -> None:
        self._is_standard = mechanism == "OAUTHBEARER"
        self._is_refused = False

    def receive(self, data: bytes) -> CheckToken:
        """The one message; after refuse() whatever the client says ends the exchange."""
        if self._is_refused:
            raise SaslError("not-authorized", "the token is not good here")
        if len(data) > MESSAGE_LIMIT:
            raise SaslError("malformed-request", f"a message is longer than {MESSAGE_LIMIT} bytes")
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise SaslError("malformed-request", "not UTF-8") from error
        match = (_BEARER if self._is_standard else _XOAUTH2).fullmatch(text)
        if match is None:
            raise SaslError("malformed-request", "not a message with a bearer token")
        pairs = dict(pair.split("=", 1) for pair in match[2].split("\x01") if pair)
        credentials = _CREDENTIALS.fullmatch(pairs.get("auth", ""))
        authzid = match[1] or ""
        if self._is_standard:
            authzid = authzid.replace("=2C", ",").replace("=3D", "=")
        return CheckToken(authzid, credentials[1] if credentials else "")

    def refuse(self, status: str, scope: str, configuration: str) -> Challenge:
        """What the client is told: a status of RFC 6750 §3.1, the scope it needs, and where it may learn
        how to get that (RFC 8414)."""
        self._is_refused = True
        if self._is_standard:
            told = {"status": status, "scope": scope, "openid-configuration": configuration}
        else:
            told = {"status": "401", "schemes": "bearer", "scope": scope}
        return Challenge(json.dumps(told, separators=(",", ":")).encode())
