# SPDX-License-Identifier: Apache-2.0
"""An identity provider of others: Authlib's authorization server in a WSGI application under TLS.

Its one account is signed in already, and agrees to everything.
"""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, make_server

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import RSAKey

from armgs_server.net.certificates import make_certificates

HOST = "127.0.0.1"


@dataclass
class Client:
    """As Authlib asks for it."""

    client_id: str
    secret: str
    redirect_uri: str

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code:
    """An authorization code with what was asked."""

    code: str
    data: Mapping[str, str]
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.data["redirect_uri"]

    def get_scope(self) -> str:
        return self.data["scope"]

    def get_nonce(self) -> str:
        return self.data["nonce"]

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class Grant(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

    def save_authorization_code(self, code: str, request: Any) -> None:
        data = request.payload.data
        kept = Code(code, data, data["code_challenge"], data["code_challenge_method"])
        self.server.codes[code] = kept

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found: Code | None = self.server.codes.get(code)
        return found

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del self.server.codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> str:
        return str(self.server.account)


class Provider(AuthorizationServer):  # type: ignore[misc]
    """`account` is the address of who is signed in there."""

    def __init__(self, account: str) -> None:
        super().__init__()
        self.account = account
        self.client = Client("", "", "")
        self.codes: dict[str, Code] = {}
        self.key = RSAKey.generate_key(2048, {"kid": "authlib", "use": "sig"})
        self.issuer = ""
        self.register_grant(Grant, [_OpenID(self), CodeChallenge(required=True)])
        self.register_token_generator("default", BearerTokenGenerator(lambda **_: secrets.token_urlsafe(24)))

    # What Authlib asks of whoever puts it into a framework

    def query_client(self, client_id: str) -> Client | None:
        return self.client if client_id == self.client.client_id else None

    def save_token(self, token: Mapping[str, Any], request: Any) -> None:
        assert request.user == self.account

    def create_oauth2_request(self, request: Any) -> OAuth2Request:
        found: OAuth2Request = request
        return found

    def handle_response(
        self, status: int, body: Any, headers: list[tuple[str, str]]
    ) -> tuple[int, bytes, list[tuple[str, str]]]:
        return status, (json.dumps(body) if isinstance(body, dict) else body or "").encode(), headers

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        assert name

    # The application

    def answer(self, environ: Mapping[str, Any]) -> tuple[int, bytes, list[tuple[str, str]]]:
        path = environ["PATH_INFO"]
        if path == "/.well-known/openid-configuration":
            return self.handle_response(200, self._metadata(), [])
        if path == "/jwks":
            return self.handle_response(200, {"keys": [self.key.as_dict(private=False)]}, [])
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        query = environ.get("QUERY_STRING", "")
        headers = {"Authorization": environ["HTTP_AUTHORIZATION"]} if "HTTP_AUTHORIZATION" in environ else {}
        request = Request(environ["REQUEST_METHOD"], f"{self.issuer}{path}?{query}", headers=headers)
        request.fields = dict(parse_qsl(body))
        request.payload = BasicOAuth2Payload({**dict(parse_qsl(query)), **request.fields})
        if path == "/token":
            return self._plain(self.create_token_response(request))
        grant = self.get_consent_grant(request, self.account)
        return self._plain(self.create_authorization_response(request, self.account, grant))

    def _plain(self, answer: Any) -> tuple[int, bytes, list[tuple[str, str]]]:
        status, body, headers = answer
        return status, body, headers

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }


class Request(OAuth2Request):  # type: ignore[misc]
    """One request; its form was read before."""

    fields: dict[str, str]

    @property
    def args(self) -> Mapping[str, str]:
        return dict(parse_qsl(self.uri.partition("?")[2]))

    @property
    def form(self) -> Mapping[str, str]:
        return self.fields


class _OpenID(OpenIDCode):  # type: ignore[misc]
    def __init__(self, provider: Provider) -> None:
        super().__init__(require_nonce=True)
        self._provider = provider

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        return any(code.get_nonce() == nonce for code in self._provider.codes.values())

    def get_client_algorithm(self, client: Client) -> str:
        return "RS256"

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        return {"iss": self._provider.issuer, "aud": [client.client_id]}

    def resolve_client_private_key(self, client: Client) -> RSAKey:
        return self._provider.key

    def generate_user_info(self, user: str, scope: str) -> UserInfo:
        return UserInfo(sub="17", email=user, email_verified=True)


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests' output is theirs."""


@contextmanager
def running_provider(path: Path, account: str) -> Iterator[Provider]:
    """At `issuer`, with a certificate of the authority in `path`/ca.crt."""
    provider = Provider(account)
    make_certificates(path, "localhost", ())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path / "server.crt", path / "server.key")

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        status, body, headers = provider.answer(environ)
        start(f"{status} Answer", [*headers, ("Content-Length", str(len(body)))])
        return [body]

    with make_server(HOST, 0, application, handler_class=_Quiet) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        provider.issuer = f"https://localhost:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
