# SPDX-License-Identifier: Apache-2.0
"""The endpoints of the authorization server that programs ask: JSON in and out, no cookie.

Metadata (RFC 8414, OpenID Connect Discovery 1.0), token (RFC 6749 §3.2), revocation (RFC 7009), introspection
(RFC 7662), registration (RFC 7591), keys (RFC 7517), userinfo (OpenID Connect Core §5.3). The pages that
people see are in oauth_consent.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, unquote_plus

from armgs_server import log
from armgs_server.directory import scopes
from armgs_server.directory.model import Principal
from armgs_server.directory.oauth_clients import Client
from armgs_server.directory.oauth_keys import ALGORITHM, SET_LIFETIME, TOKEN_LIFETIME
from armgs_server.directory.oauth_model import Issued, OAuthError
from armgs_server.errors import Invalid, TooLarge
from armgs_server.net.http import Handler, Request, Response
from armgs_server.net.http.basic import parse_basic
from armgs_server.portal.oauth_keys import Keys
from armgs_server.service import Core
from armgs_server.storage import clock

AUTHORIZE: Final = "/oauth/authorize"
_FORM_LIMIT: Final = 64 * 1024
_FIELDS: Final = 50
_ANYONE: Final = ("Access-Control-Allow-Origin", "*")

Form: TypeAlias = Mapping[str, str]

_log = log.get("portal")


class OAuthEndpoints:
    """What programs ask; everything that is to be decided is the directory's."""

    def __init__(self, core: Core) -> None:
        self._directory = core.directory
        self._oauth = core.directory.auth.oauth
        self._keys = Keys(core.store)

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        ways: tuple[tuple[str, str, Handler], ...] = (
            ("/.well-known/openid-configuration", "GET", self._metadata),
            ("/.well-known/oauth-authorization-server", "GET", self._metadata),
            ("/oauth/jwks", "GET", self._jwks),
            ("/oauth/token", "POST", self._token),
            ("/oauth/revoke", "POST", self._revoke),
            ("/oauth/introspect", "POST", self._introspect),
            ("/oauth/register", "POST", self._register),
            ("/oauth/userinfo", "GET, POST", self._userinfo),
        )
        return [(path, self._guarded(path, methods, handler)) for path, methods, handler in ways]

    def _guarded(self, path: str, methods: str, handler: Handler) -> Handler:
        """One path, its methods, and errors as JSON (RFC 6749 §5.2)."""

        async def answer(request: Request) -> Response:
            if request.path != path or not self._oauth.settings.enabled:
                return Response(404)
            method = "GET" if request.method == "HEAD" else request.method
            if method not in methods.split(", "):
                return Response(405, [("Allow", methods)])
            try:
                if not self._directory.auth.is_permitted(request.is_tls):  # RFC 6749 §3.2
                    raise OAuthError("invalid_request", "TLS is needed")
                return await handler(request)
            except OAuthError as error:
                return _refusal(error, request)

        return answer

    # What there is

    async def _metadata(self, request: Request) -> Response:
        issuer, settings = self._oauth.issuer, self._oauth.settings
        ways = ["none", "client_secret_basic", "client_secret_post"]
        document = {
            "issuer": issuer,
            "authorization_endpoint": issuer + AUTHORIZE,
            "token_endpoint": f"{issuer}/oauth/token",
            "revocation_endpoint": f"{issuer}/oauth/revoke",
            "introspection_endpoint": f"{issuer}/oauth/introspect",
            "userinfo_endpoint": f"{issuer}/oauth/userinfo",
            "jwks_uri": f"{issuer}/oauth/jwks",
            "scopes_supported": list(scopes.KNOWN),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ways,
            "revocation_endpoint_auth_methods_supported": ways,
            "introspection_endpoint_auth_methods_supported": ways[1:],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", *_CLAIMS],
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "ui_locales_supported": ["en", "ru"],
        }
        if settings.registration:
            document["registration_endpoint"] = f"{issuer}/oauth/register"
        return _json(200, document, [_ANYONE, ("Cache-Control", "max-age=3600")])

    async def _jwks(self, request: Request) -> Response:
        cached = ("Cache-Control", f"max-age={SET_LIFETIME}")
        return _json(200, await self._keys.jwks(), [_ANYONE, cached])

    # Tokens

    async def _token(self, request: Request) -> Response:
        form = await _form(request)
        client = await self._client(request, form)
        kind = form.get("grant_type", "")
        if kind == "authorization_code":
            code, uri = _needed(form, "code"), _needed(form, "redirect_uri")
            issued = await self._oauth.redeem(client, code, uri, _needed(form, "code_verifier"))
        elif kind == "refresh_token":
            asked = scopes.known(form.get("scope", ""))
            issued = await self._oauth.refresh(client, _needed(form, "refresh_token"), asked)
        else:
            raise OAuthError("unsupported_grant_type" if kind else "invalid_request", "grant_type")
        document = {
            "access_token": issued.access,
            "token_type": "Bearer",
            "expires_in": issued.expires_in,
            "scope": issued.scope,
        }
        if issued.refresh:
            document["refresh_token"] = issued.refresh
        if scopes.OPENID in scopes.of(issued.scope):
            document["id_token"] = await self._id_token(client, issued)
        return _json(200, document)

    async def _id_token(self, client: Client, issued: Issued) -> str:
        """OpenID Connect Core §2."""
        person = await self._directory.by_id(issued.principal)
        if person is None:
            raise OAuthError("invalid_grant", "the account is gone")
        now = clock.now() // clock.SECOND
        claims: dict[str, Any] = {
            "iss": self._oauth.issuer,
            "aud": client.id,
            "iat": now,
            "exp": now + TOKEN_LIFETIME,
            **_claims(person, issued.scope),
        }
        if issued.auth_time:
            claims["auth_time"] = issued.auth_time
        if issued.nonce:
            claims["nonce"] = issued.nonce
        return await self._keys.sign(claims)

    async def _revoke(self, request: Request) -> Response:
        """RFC 7009 §2: whatever the token was, 200."""
        form = await _form(request)
        client = await self._client(request, form)
        await self._oauth.revoke(client, _needed(form, "token"))
        return _json(200, {})

    async def _introspect(self, request: Request) -> Response:
        """RFC 7662 §2, for services that an administrator has entered with a secret."""
        form = await _form(request)
        client = await self._client(request, form)
        if not client.secret:
            raise OAuthError("invalid_client", "tokens are told about to services with a secret alone")
        found = await self._oauth.inspect(_needed(form, "token"))
        if found is None:
            return _json(200, {"active": False})
        token, grant, person = found
        return _json(
            200,
            {
                "active": True,
                "scope": token.scope,
                "client_name": grant.name,
                "username": person.address,
                "token_type": "Bearer",
                "exp": token.expires // clock.SECOND,
                "iat": token.created // clock.SECOND,
                "sub": str(person.id),
                "iss": self._oauth.issuer,
            },
        )

    async def _userinfo(self, request: Request) -> Response:
        """OpenID Connect Core §5.3, by a token in the header field (RFC 6750 §2.1)."""
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        found = await self._oauth.inspect(token.strip()) if scheme.lower() == "bearer" else None
        if found is None or found[0].kind != "access":
            return Response(401, [("WWW-Authenticate", 'Bearer realm="armgs_server", error="invalid_token"')])
        if scopes.OPENID not in scopes.of(found[0].scope):
            field = 'Bearer realm="armgs_server", error="insufficient_scope", scope="openid"'
            return Response(403, [("WWW-Authenticate", field)])
        return _json(200, _claims(found[2], found[0].scope))

    # Clients

    async def _register(self, request: Request) -> Response:
        """RFC 7591 §3."""
        settings = self._oauth.settings
        if not settings.registration:
            return Response(404)
        try:
            metadata = json.loads(await request.read(settings.registration_size))
            if not isinstance(metadata, dict):
                raise OAuthError("invalid_client_metadata", "an object is expected")
            client = self._oauth.clients.register(metadata)
        except (ValueError, RecursionError, TooLarge) as error:
            raise OAuthError("invalid_client_metadata", "not JSON, or too much of it") from error
        except Invalid as error:
            raise OAuthError("invalid_redirect_uri", error.text) from error
        _log.info("program registered", client=client.name, peer=request.peer)
        document = {
            "client_id": client.id,
            "client_id_issued_at": clock.now() // clock.SECOND,
            "client_name": client.name,
            "redirect_uris": list(client.redirects),
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        }
        return _json(201, document)

    async def _client(self, request: Request, form: Form) -> Client:
        """RFC 6749 §2.3: who asks, and whether it is them. One way of showing it, not two."""
        basic = parse_basic(request.header("authorization"))
        id_, secret = form.get("client_id", ""), form.get("client_secret", "")
        if basic is not None:
            if secret or (id_ and id_ != unquote_plus(basic[0])):
                raise OAuthError("invalid_request", "two ways of authentication")
            id_, secret = (unquote_plus(part) for part in basic)  # RFC 6749 §2.3.1: encoded as a form
        client = await self._oauth.clients.find(id_)
        if client is None or (client.secret and not client.is_secret(secret)):
            raise OAuthError("invalid_client", "the client is unknown, or its secret is wrong")
        return client


_CLAIMS: Final = ("name", "preferred_username", "email", "email_verified")


def _claims(person: Principal, scope: str) -> dict[str, Any]:
    """What somebody is called (OpenID Connect Core §5.1), as far as the scopes go (§5.4). `sub` stays the
    same whatever happens to the address."""
    told, claims = scopes.of(scope), {"sub": str(person.id)}
    everything: dict[str, Any] = dict(claims)
    if "profile" in told:
        everything |= {"name": person.name, "preferred_username": person.address}
    if "email" in told:
        everything |= {"email": person.address, "email_verified": True}
    return everything


async def _form(request: Request) -> Form:
    """RFC 6749 §3.2: no parameter may be there twice; an empty one is none."""
    text = (await request.read(_FORM_LIMIT)).decode("utf-8", "replace")
    try:
        pairs = parse_qsl(text, max_num_fields=_FIELDS)
    except ValueError as error:
        raise OAuthError("invalid_request", "too many parameters") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "a parameter is there twice")
    return form


def _needed(form: Form, name: str) -> str:
    if name not in form:
        raise OAuthError("invalid_request", f"{name} is missing")
    return form[name]


def _refusal(error: OAuthError, request: Request) -> Response:
    headers = []
    status = 400
    if error.error == "invalid_client":  # RFC 6749 §5.2
        status = 401
        if request.header("authorization"):
            headers.append(("WWW-Authenticate", 'Basic realm="armgs_server", charset="UTF-8"'))
    return _json(status, {"error": error.error, "error_description": _ascii(error.text)}, headers)


def _ascii(text: str) -> str:
    """RFC 6749 §5.2: error_description has neither quotes nor backslashes."""
    return "".join(sign if " " <= sign <= "~" and sign not in '"\\' else "?" for sign in text)


def _json(status: int, document: Mapping[str, Any], headers: Sequence[tuple[str, str]] = ()) -> Response:
    fields = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff"), *headers]
    if not any(name == "Cache-Control" for name, _ in fields):
        fields += [("Cache-Control", "no-store"), ("Pragma", "no-cache")]  # RFC 6749 §5.1
    return Response(status, fields, json.dumps(document, ensure_ascii=False).encode())
