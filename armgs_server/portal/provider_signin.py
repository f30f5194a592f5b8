# SPDX-License-Identifier: Apache-2.0
"""Signing in to the pages by an identity provider outside: the way there, and the way back.

What must hold:
- The answer is taken only from the browser that asked: `state` is a keyed hash over a cookie that is made for
  this one question and ends with it (RFC 6749 §10.12, RFC 9700 §4.7). Nonce and PKCE verifier are made of the
  same cookie with the store's secret, so nothing is kept here and any worker may take the answer.
- Nobody is made: the person must be in the directory. Whatever is wrong, the page says the same; the log says
  what. Failures are counted by the throttle of log-ins for the address they come from.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs, parse_qsl

from armgs_server import base64url, log
from armgs_server.directory.model import Principal
from armgs_server.errors import Denied, DomainError, Invalid, NotFound, Temporary, Throttled
from armgs_server.formats.id_token import address_of
from armgs_server.net.http import Handler, Request, Response
from armgs_server.net.http.cookies import clear_cookie, cookie, set_cookie
from armgs_server.portal.pages import Pages
from armgs_server.portal.provider import Provider, Secrets
from armgs_server.portal.safety import Safety
from armgs_server.portal.signin import HOME, SignIn, local_target
from armgs_server.service import Core
from armgs_server.storage import clock

BEGIN: Final = "/signin/provider"
BACK: Final = "/signin/provider/back"
MECHANISM: Final = "provider"
_COOKIE: Final = "armgs-provider"
_TOKEN_SIZE: Final = 24  # bytes
_TARGET_LIMIT: Final = 2048  # characters: it travels in the address of the provider's page
_FIELDS: Final = 20
_NO_STORE: Final = ("Cache-Control", "no-store")

_log = log.get("portal")


class ProviderSignIn:
    """Two pages that are never seen: both send the browser on."""

    def __init__(self, core: Core, pages: Pages, sign_in: SignIn) -> None:
        self._settings = core.config.sign_in_provider
        self._auth = core.directory.auth
        self._provider = Provider(core)
        self._sign_in = sign_in
        self._safety = Safety(core.config, pages)

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return (
            (f"GET {BEGIN}", self._safety.guarded(self._begin)),
            (f"GET {BACK}", self._safety.guarded(self._back)),
        )

    @property
    def _redirect_uri(self) -> str:
        return self._auth.oauth.issuer + BACK

    async def _begin(self, request: Request) -> Response:
        """To the provider."""
        target = local_target(parse_qs(request.query).get("next", [HOME])[0])
        if len(target) > _TARGET_LIMIT:
            target = HOME
        self._check_is_on(request)
        token = secrets.token_urlsafe(_TOKEN_SIZE)
        state = self._state(token, clock.now() // clock.SECOND, target)
        try:
            self._check_throttle(request, token)
            place = await self._provider.question(self._redirect_uri, state, self._secrets(token))
        except Throttled:
            return self._sign_in.ask(request, 429, target, problem="sign_in_wait")
        except DomainError as error:
            _log.warning("the identity provider cannot be used", error=error)
            return self._sign_in.ask(request, 503, target, problem="sign_in_provider_away")
        return Response(303, [("Location", place), set_cookie(request, _COOKIE, token), _NO_STORE])

    async def _back(self, request: Request) -> Response:
        """From the provider, with a code."""
        self._check_is_on(request)
        token, target = cookie(request, _COOKIE), HOME
        try:
            self._check_throttle(request, token)
            answer = _parameters(request.query)
            target = self._target(token, answer.get("state", ""))
            claims = await self._provider.redeem(answer, self._redirect_uri, self._secrets(token))
            address = address_of(claims, self._settings.claim, is_verified=self._settings.verified_email)
            person = await self._person(request, token, address)
        except Throttled:
            response = self._sign_in.ask(request, 429, target, problem="sign_in_wait")
        except DomainError as error:
            _log.warning("sign-in by the provider refused", peer=request.peer, error=error)
            # What is Denied has been counted; that the provider is away is nobody's guess.
            if not isinstance(error, Denied | Temporary):
                self._auth.refuse("web", MECHANISM, request.peer, None, self._account(token))
            response = self._sign_in.ask(request, 403, target, problem="sign_in_provider_failed")
        else:
            if self._settings.second_factor:
                response = await self._sign_in.go_on(request, person, target)
            else:
                response = await self._sign_in.start(request, person, target)
        response.headers.append(clear_cookie(request, _COOKIE))
        return response

    async def _person(self, request: Request, token: str, address: str) -> Principal:
        """Who it is, counted and noted as every log-in. Denied."""
        person = await self._auth.find(address)
        domains = self._settings.domains
        if person is None or (domains and person.address.rpartition("@")[2] not in domains):
            self._auth.refuse("web", MECHANISM, request.peer, None, self._account(token))
            raise Denied(f"{address[:254]}: nobody who may sign in by the provider")
        return self._auth.admit("web", MECHANISM, request.peer, request.is_tls, person)

    def _check_is_on(self, request: Request) -> None:
        if not self._settings.issuer:
            raise NotFound()
        if not self._auth.is_permitted(request.is_tls):
            raise Denied("log-in needs TLS here")

    def _check_throttle(self, request: Request, token: str) -> None:
        self._auth.check_throttle("web", request.peer, None, self._account(token))

    def _account(self, token: str) -> str:
        """What the throttle counts beside the address: nobody is known yet, so each question by itself."""
        return f"provider {self._auth.passwords.keyed(b'provider count', token.encode(), size=8).hex()}"

    # What binds the answer to the browser

    def _secrets(self, token: str) -> Secrets:
        """RFC 7636 §4.1: the verifier has 43 characters, made of 256 bits."""
        nonce, verifier = (
            self._auth.passwords.keyed(purpose, token.encode())
            for purpose in (b"provider nonce", b"provider pkce")
        )
        return Secrets(base64url.encode(nonce), base64url.encode(verifier))

    def _state(self, token: str, began: int, target: str) -> str:
        told = f"{began:x}.{base64url.encode(target.encode())}"
        mac = self._auth.passwords.keyed(b"provider state", f"{token}\0{told}".encode())
        return f"{told}.{base64url.encode(mac)}"

    def _target(self, token: str, state: str) -> str:
        """Where the person wanted to go; Invalid for a state that was not given to this browser of late."""
        began, _, rest = state.partition(".")
        try:
            moment = int(began, 16)
            target = base64url.decode(rest.partition(".")[0]).decode()
        except (ValueError, Invalid) as error:
            raise Invalid("a state that is none of ours") from error
        expected = self._state(token, moment, target)
        if not token or not hmac.compare_digest(expected.encode(), state.encode("utf-8", "replace")):
            raise Invalid("a state that was not given to this browser")
        if clock.now() // clock.SECOND - moment > self._settings.answer_lifetime:
            raise Invalid("back too late")
        return local_target(target)


def _parameters(query: str) -> dict[str, str]:
    """RFC 6749 §3.1: each is there once; Invalid."""
    try:
        pairs = parse_qsl(query, max_num_fields=_FIELDS)
    except ValueError as error:
        raise Invalid("too many parameters") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid("a parameter is there twice")
    return found
