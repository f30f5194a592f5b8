# SPDX-License-Identifier: Apache-2.0
"""The outside identity provider as its relying party asks it: metadata, the question, the code, the keys.

OpenID Connect Core §3.1 (code flow alone), OpenID Connect Discovery §4, RFC 7636 (S256), RFC 9700.

What must hold:
- Everything that counts comes over TLS from where the settings and the provider's own metadata say; no
  redirect is followed, each answer is bounded in size and time, and so are the requests at the same time.
- Nobody is believed but by an ID token that was checked, though it comes straight from the provider.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from armgs_server import base64url
from armgs_server.errors import Invalid, NotFound, Temporary
from armgs_server.formats import jws
from armgs_server.formats.id_token import Expected, check_claims
from armgs_server.net.fetch import ANYWHERE, Bounds, fetch, post
from armgs_server.service import Core
from armgs_server.storage import clock

_DISCOVERY: Final = "/.well-known/openid-configuration"
_JSON: Final = {"Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the provider tells of itself (OpenID Connect Discovery §3)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_itself: bool  # RFC 9207 §3: each answer has the issuer
    secret_in_header: bool


@dataclass(frozen=True, slots=True)
class Secrets:
    """What belongs to one question: the provider gives `nonce` back, `verifier` shows who has asked."""

    nonce: str
    verifier: str


class Provider:
    """One in each process; metadata and keys are kept for a while."""

    def __init__(self, core: Core) -> None:
        self._config = core.config
        self._settings = core.config.sign_in_provider
        self._found: tuple[str, int, Metadata] | None = None
        self._keys: tuple[str, int, tuple[jws.Key, ...]] | None = None
        self._running = 0

    async def question(self, redirect_uri: str, state: str, secrets: Secrets) -> str:
        """Where the person is sent (OpenID Connect Core §3.1.2.1). Temporary, Invalid."""
        async with self._bounded():
            metadata = await self._metadata()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._settings.scope,
            "state": state,
            "nonce": secrets.nonce,
            "code_challenge": base64url.encode(hashlib.sha256(secrets.verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        endpoint = metadata.authorization_endpoint
        # RFC 6749 §3.1: the endpoint may have a query of its own, which is kept
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    async def redeem(self, answer: Mapping[str, str], redirect_uri: str, secrets: Secrets) -> dict[str, Any]:
        """The claims of who has signed in there, by what the browser brings. Invalid, Temporary, NotFound."""
        async with self._bounded():
            metadata = await self._metadata()
            # RFC 9207 §2.4: an answer of another provider must not bring its code to this one
            if (
                answer.get("iss", "" if metadata.names_itself else self._settings.issuer)
                != self._settings.issuer
            ):
                raise Invalid("the answer is of another issuer")
            if "error" in answer or not answer.get("code"):
                raise Invalid(f"the provider says {answer.get('error', 'nothing')[:100]!r}")
            token = await self._exchange(metadata, answer["code"], redirect_uri, secrets.verifier)
            try:
                claims = jws.verify(token, await self._key_set(metadata))
            except NotFound:  # OpenID Connect Core §10.1.1: the provider may have another key since
                self._keys = None
                claims = jws.verify(token, await self._key_set(metadata))
        settings = self._settings
        expected = Expected(settings.issuer, settings.client_id, secrets.nonce, settings.clock_skew)
        check_claims(claims, expected, clock.now() / clock.SECOND)
        return claims

    # What is asked

    async def _metadata(self) -> Metadata:
        issuer, now = self._settings.issuer, clock.now()
        if self._found is None or self._found[0] != issuer or self._is_old(self._found[1], now):
            url = issuer.rstrip("/") + _DISCOVERY
            answer = await fetch(url, self._config.limits, self._bounds(), _JSON)
            self._found = (issuer, now, _parse_metadata(answer.body, issuer))
        return self._found[2]

    async def _key_set(self, metadata: Metadata) -> tuple[jws.Key, ...]:
        uri, now = metadata.jwks_uri, clock.now()
        if self._keys is None or self._keys[0] != uri or self._is_old(self._keys[1], now):
            answer = await fetch(uri, self._config.limits, self._bounds(), _JSON)
            self._keys = (uri, now, jws.parse_keys(answer.body, self._settings.keys))
        return self._keys[2]

    async def _exchange(self, metadata: Metadata, code: str, redirect_uri: str, verifier: str) -> str:
        """The ID token for a code (RFC 6749 §4.1.3)."""
        client_id, secret, headers = self._settings.client_id, self._secret(), dict(_JSON)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        if secret and metadata.secret_in_header:
            # RFC 6749 §2.3.1: both in the encoding of forms. COMPAT Authlib: reads %20 as a space, not "+".
            pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        else:
            form |= {"client_id": client_id, **({"client_secret": secret} if secret else {})}
        answer = await post(metadata.token_endpoint, self._config.limits, self._bounds(), form, headers)
        token = jws.parse_object(answer.body).get("id_token")
        if not isinstance(token, str):
            raise Invalid("there is no ID token in the answer")
        return token

    def _secret(self) -> str:
        if not self._settings.client_secret:
            return ""
        path = self._config.path(self._settings.client_secret)
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Temporary(f"sign_in_provider.client_secret: {path}: {error}") from error

    def _bounds(self) -> Bounds:
        settings = self._settings
        ca = str(self._config.path(settings.ca)) if settings.ca else ""
        # The provider is the administrator's choice, and most stand in networks of the inside.
        return Bounds(settings.response_size, settings.timeout, ANYWHERE, ca, redirects=0)

    def _is_old(self, since: int, now: int) -> bool:
        return now - since > self._settings.cache_lifetime * clock.SECOND

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        if self._running >= self._settings.requests:
            raise Temporary("too many are signing in by the provider at this moment")
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


def _parse_metadata(data: bytes, issuer: str) -> Metadata:
    told = jws.parse_object(data)
    if told.get("issuer") != issuer:  # OpenID Connect Discovery §4.3: exactly
        raise Invalid("the metadata is of another issuer")
    places = [told.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
    # The default is OpenID Connect Discovery's (§3): client_secret_basic
    ways = told.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    for place in places:
        if not isinstance(place, str) or not _is_place(place):
            raise Invalid("the metadata names an endpoint that is no https URL")
    authorization, token, jwks = map(str, places)
    is_named = told.get("authorization_response_iss_parameter_supported") is True
    return Metadata(
        authorization, token, jwks, is_named, isinstance(ways, list) and "client_secret_basic" in ways
    )


def _is_place(url: str) -> bool:
    """An https URL that goes into a header field as it is."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    return parts.scheme == "https" and bool(parts.hostname) and not parts.fragment and is_plain
