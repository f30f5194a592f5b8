# SPDX-License-Identifier: Apache-2.0
"""What passes between the authorization server's parts and its callers (RFC 6749, RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from armgs_server.directory.model import Principal
from armgs_server.directory.oauth_clients import Client
from armgs_server.errors import DomainError

# code-verifier = 43*128unreserved (RFC 7636 §4.1)
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
# BASE64URL-ENCODE(SHA256(…)) (RFC 7636 §4.2)
CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")

Refusal: TypeAlias = Literal["invalid_token", "insufficient_scope"]


class OAuthError(DomainError):
    """`error` is a code of RFC 6749 §5.2."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person has agreed to, and what its code must be redeemed with."""

    client: Client
    redirect_uri: str
    scope: str
    challenge: str
    nonce: str
    auth_time: int  # seconds


@dataclass(frozen=True, slots=True)
class Issued:
    """The answer of RFC 6749 §5.1; `refresh` is "" where there is none. `nonce`: of a code alone."""

    principal: int
    access: str
    refresh: str
    expires_in: int
    scope: str
    nonce: str = ""
    auth_time: int = 0


@dataclass(frozen=True, slots=True)
class Bearing:
    """Whose access token it is, of which grant, and for what it is good."""

    person: Principal
    grant_id: str
    scope: str


def device_mark(grant_id: str) -> str:
    """What stands for an app password with a device that has logged in by a grant's token; no app password
    can be called so."""
    return f"\t{grant_id}"


def grant_of(app: str) -> str:
    """The grant that device_mark() has put there; "" for an app password."""
    return app.removeprefix("\t") if app.startswith("\t") else ""


def is_verifier(verifier: str, challenge: str) -> bool:
    """RFC 7636 §4.6, method S256."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    made = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return hmac.compare_digest(made, challenge)
