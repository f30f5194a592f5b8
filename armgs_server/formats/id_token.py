# SPDX-License-Identifier: Apache-2.0
"""What the claims of an ID token must say before anybody is believed to be who it names.

OpenID Connect Core §3.1.3.7; the signature is jws.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from armgs_server.errors import Invalid

_SUBJECT_LIMIT: Final = 255  # characters (OpenID Connect Core §2)
_ADDRESS_LIMIT: Final = 254  # characters (RFC 5321 §4.5.3.1.3)


@dataclass(frozen=True, slots=True)
class Expected:
    """For whom, from whom and to which question the token is."""

    issuer: str
    client_id: str
    nonce: str
    skew: float  # seconds by which clocks may differ


def check_claims(claims: Mapping[str, Any], expected: Expected, now: float) -> None:
    """Raises Invalid with what is wrong. `now`: seconds since 1970."""
    if claims.get("iss") != expected.issuer:
        raise Invalid("of another issuer")
    audience = claims.get("aud")
    # §3.1.3.7: audiences beside us are none that we trust
    if audience not in (expected.client_id, [expected.client_id]):
        raise Invalid("not for us, or not for us alone")
    if claims.get("azp", expected.client_id) != expected.client_id:
        raise Invalid("given to another client")
    if claims.get("nonce") != expected.nonce:
        raise Invalid("the answer to another question")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_LIMIT:
        raise Invalid("of nobody")
    if _moment(claims, "exp") + expected.skew <= now:
        raise Invalid("expired")
    if _moment(claims, "iat") - expected.skew > now:
        raise Invalid("issued in the future")
    if "nbf" in claims and _moment(claims, "nbf") - expected.skew > now:  # RFC 7519 §4.1.5
        raise Invalid("not good yet")


def address_of(claims: Mapping[str, Any], claim: str, *, is_verified: bool) -> str:
    """The address that the claim gives; with `is_verified` an e-mail address must be known to be theirs."""
    address = claims.get(claim)
    if not isinstance(address, str) or "@" not in address or len(address) > _ADDRESS_LIMIT:
        raise Invalid(f"the claim {claim} gives no address")
    # OpenID Connect Core §5.1: true, and no text that reads so
    if claim == "email" and is_verified and claims.get("email_verified") is not True:
        raise Invalid("the provider has not verified the address")
    return address


def _moment(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 §2); Invalid."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise Invalid(f"{name} is no moment")
    return value
