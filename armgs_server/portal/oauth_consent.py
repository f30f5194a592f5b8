# SPDX-License-Identifier: Apache-2.0
"""The authorization endpoint (RFC 6749 §3.1): a person is asked whether a program may, and what.

What must hold:
- Nothing is sent to a place that is not the client's: until client and redirection URI are known to be right
  what is wrong is said on a page here (RFC 6749 §4.1.2.1).
- Nobody agrees unasked: each request is shown, each answer is a form of ours (RFC 8252 §8.6, RFC 9700 §2.1).
- The page may send its form on to the client's place only, and no other page may frame it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from armgs_server.directory import scopes
from armgs_server.directory.oauth_clients import Client, is_loopback
from armgs_server.directory.oauth_model import CHALLENGE, Consent
from armgs_server.errors import Invalid, NotFound
from armgs_server.net.http import Handler, Request, Response
from armgs_server.portal.oauth import AUTHORIZE
from armgs_server.portal.pages import Pages, text_of
from armgs_server.portal.safety import SECURITY_HEADERS, Safety
from armgs_server.portal.signin import PATH as SIGN_IN
from armgs_server.portal.signin import SignIn, Visit
from armgs_server.service import Core
from armgs_server.storage import clock

PROGRAMS: Final = "/me/programs"
_QUERY_LIMIT: Final = 16 * 1024
_FIELDS: Final = 50
_NONCE_LIMIT: Final = 512
_STATE_LIMIT: Final = 4096
_NO_STORE: Final = ("Cache-Control", "no-store")
_POLICY, _POLICY_TEXT = SECURITY_HEADERS[0]
# Scopes as people are told of them; the rest says nothing to anybody.
_SHOWN: Final = (*scopes.ACCESS, "profile", "email")


@dataclass(frozen=True, slots=True)
class Question:
    """A request whose answer may go to its client."""

    client: Client
    redirect_uri: str
    parameters: Mapping[str, str]

    def value(self, name: str) -> str:
        return self.parameters.get(name, "")


class _Refused(Exception):
    """`error` is a code of RFC 6749 §4.1.2.1 or OpenID Connect Core §3.1.2.6: it is told to the client."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text


class Consents:
    """/oauth/authorize, and the page where people take back what they have permitted."""

    def __init__(self, core: Core, pages: Pages, sign_in: SignIn) -> None:
        self._oauth = core.directory.auth.oauth
        self._sign_in = sign_in
        self._safety = Safety(core.config, pages)

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return (
            (AUTHORIZE, self._safety.read_only(self._ask)),
            (f"POST {AUTHORIZE}", self._sign_in.people(self._decide, methods=("POST",))),
            (PROGRAMS, self._sign_in.people(self._programs)),
        )

    async def _ask(self, request: Request) -> Response:
        question = await self._question(request, request.query)
        try:
            consent = self._check(question, 0)
            visit = await self._sign_in.visit(request)
            prompt = question.value("prompt").split(" ")
            if visit is None or "login" in prompt or _is_too_old(question, visit):
                if "none" in prompt:
                    raise _Refused("login_required", "nobody is signed in, or not lately enough")
                return _to_sign_in(request)
            if "none" in prompt:
                raise _Refused("consent_required", "people are asked each time")
        except _Refused as error:
            return self._back(question, {"error": error.error, "error_description": error.text})
        told = scopes.of(consent.scope)
        response = self._sign_in.render(
            "oauth_consent.html",
            visit,
            client=question.client,
            is_here=_is_here(question.redirect_uri),
            host=urlsplit(question.redirect_uri).hostname or "",
            granted=[name for name in _SHOWN if name in told],
            stays=scopes.needs_refresh(consent.scope),
            query=request.query,
        )
        # Browsers hold form-action against where an answer to the form redirects, too.
        place = _source(question.redirect_uri)
        policy = _POLICY_TEXT.replace("form-action 'self'", f"form-action 'self' {place}")
        response.headers.append((_POLICY, policy))
        return response

    async def _decide(self, visit: Visit) -> Response:
        question = await self._question(visit.request, visit.value("query"))
        try:
            consent = self._check(question, visit.session.created // clock.SECOND)
        except _Refused as error:
            return self._back(question, {"error": error.error, "error_description": error.text})
        if visit.value("answer") != "allow":
            return self._back(question, {"error": "access_denied"})
        return self._back(question, {"code": await self._oauth.consent(visit.person, consent)})

    async def _question(self, request: Request, query: str) -> Question:
        """Invalid, for a page here, where it is not known whom to tell."""
        if request.path != AUTHORIZE or not self._oauth.settings.enabled:
            raise NotFound()
        if not self._oauth.is_permitted(request.is_tls):
            raise Invalid(text_of(request, "oauth_needs_tls"))
        try:
            pairs = parse_qsl(query if len(query) <= _QUERY_LIMIT else "", max_num_fields=_FIELDS)
        except ValueError as error:
            raise Invalid(text_of(request, "oauth_wrong")) from error
        parameters = dict(pairs)
        if len(parameters) != len(pairs):  # RFC 6749 §3.1: none may be there twice
            raise Invalid(text_of(request, "oauth_wrong"))
        client = await self._oauth.clients.find(parameters.get("client_id", ""))
        redirect_uri = parameters.get("redirect_uri", "")
        if client is None or not client.may_redirect(redirect_uri):
            raise Invalid(text_of(request, "oauth_wrong"))
        return Question(client, redirect_uri, parameters)

    def _check(self, question: Question, auth_time: int) -> Consent:
        if len(question.value("state")) > _STATE_LIMIT or len(question.value("nonce")) > _NONCE_LIMIT:
            raise _Refused("invalid_request", "state or nonce is too long")
        if "request" in question.parameters:
            raise _Refused("request_not_supported", "request objects are not read here")
        if "request_uri" in question.parameters:
            raise _Refused("request_uri_not_supported", "request objects are not read here")
        if question.value("response_type") != "code":
            raise _Refused("unsupported_response_type", "code alone (RFC 9700 section 2.1.2)")
        if question.value("response_mode") not in ("", "query"):
            raise _Refused("invalid_request", "response_mode is query")
        challenge = question.value("code_challenge")
        # RFC 9700 §2.1.1: public clients MUST use PKCE; so do all others here, by S256 alone.
        if question.value("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(challenge):
            raise _Refused("invalid_request", "code_challenge with the method S256 is needed (RFC 7636)")
        scope = scopes.known(question.value("scope"))
        if not scope:
            raise _Refused("invalid_scope", "none of the scopes is known")
        nonce = question.value("nonce")
        return Consent(question.client, question.redirect_uri, scope, challenge, nonce, auth_time)

    def _back(self, question: Question, answer: dict[str, str]) -> Response:
        """RFC 6749 §4.1.2, with the issuer of RFC 9207."""
        if question.value("state"):
            answer["state"] = question.value("state")
        answer["iss"] = self._oauth.issuer
        uri = question.redirect_uri
        joint = "&" if urlsplit(uri).query else "?"
        return Response(303, [("Location", f"{uri}{joint}{urlencode(answer)}"), _NO_STORE])

    # What was permitted

    async def _programs(self, visit: Visit) -> Response:
        if visit.request.path != PROGRAMS:
            raise NotFound()
        if visit.request.method == "POST":
            await self._oauth.end(visit.person.id, visit.value("end"))
            return Response(303, [("Location", PROGRAMS), _NO_STORE])
        granted = [
            {
                "id": each.id,
                "name": each.name,
                "scopes": [name for name in _SHOWN if name in scopes.of(each.scope)],
                "created": _day(each.created),
                "last_used": _day(each.last_used),
            }
            for each in await self._oauth.grants(visit.person.id)
        ]
        return self._sign_in.render("oauth_programs.html", visit, programs=granted)


def _to_sign_in(request: Request) -> Response:
    """Back here afterwards, without what has just been done."""
    rest = [pair for pair in parse_qsl(request.query) if pair[0] not in ("prompt", "max_age")]
    asked = {"next": f"{AUTHORIZE}?{urlencode(rest)}"}
    hint = dict(rest).get("login_hint", "")  # OpenID Connect Core §3.1.2.1: who is expected to sign in
    if hint:
        asked["address"] = hint
    return Response(303, [("Location", f"{SIGN_IN}?{urlencode(asked)}"), _NO_STORE])


def _is_too_old(question: Question, visit: Visit) -> bool:
    """OpenID Connect Core §3.1.2.1, max_age: seconds since the person has signed in."""
    max_age = question.value("max_age")
    if not max_age.isascii() or not max_age.isdigit() or len(max_age) > 9:
        return False
    return clock.now() - visit.session.created > int(max_age) * clock.SECOND


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment // clock.SECOND, UTC).strftime("%Y-%m-%d")


def _is_here(uri: str) -> bool:
    """Whether the answer stays on the person's own machine."""
    return is_loopback(uri) or urlsplit(uri).scheme != "https"


def _source(uri: str) -> str:
    """A place as a policy names it (CSP Level 3 §2.3.1); an IPv6 address has no such name."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or ":" in (parts.hostname or ":"):
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}"
