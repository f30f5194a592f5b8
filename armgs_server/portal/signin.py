# SPDX-License-Identifier: Apache-2.0
"""Signing in on the pages, for everything that shows a person's own.

What must hold:
- The cookie is random and changes at each sign-in and at each step of it: one that was planted is of no use.
  The store has its hash alone; the row goes with the person, the right to log in, and the password.
- Every POST carries the form token, which is made of the cookie with the store's secret: no other site can
  make it. So does the form of signing in, whose cookie is its own.
- Who fails learns nothing: one answer for a name that is not there, one that may not, and a wrong password.
  App passwords are for programs: they open nothing here.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import parse_qs, urlencode

from armgs_server import log
from armgs_server.directory.auth import WRONG
from armgs_server.directory.model import Principal
from armgs_server.directory.webauthn import SecurityKeys
from armgs_server.errors import Denied, Invalid, Throttled
from armgs_server.net.http import Handler, Request, Response
from armgs_server.net.http.cookies import clear_cookie, cookie, set_cookie
from armgs_server.net.http.origin import is_welcome
from armgs_server.portal import duty
from armgs_server.portal.pages import Pages, text_of
from armgs_server.portal.reading import fields_sent
from armgs_server.portal.safety import HOME as HOME
from armgs_server.portal.safety import SCRIPT_POLICY, Safety, see_other
from armgs_server.portal.safety import local_target as local_target
from armgs_server.portal.sections import OWN, SECTIONS
from armgs_server.service import Core
from armgs_server.storage import clock, web_sessions
from armgs_server.storage.tx import Tx
from armgs_server.storage.web_sessions import WebSession

PATH: Final = "/signin"
OUT: Final = "/signout"
FORM_LIMIT: Final = 64 * 1024
LONG_FORM_LIMIT: Final = 1024 * 1024  # where there are long texts: a letter is sent as up to twelve bytes
FIELD_LIMIT: Final = 200
TOKEN_FIELD: Final = "token"
_COOKIE: Final = "armgs"
_FORM_COOKIE: Final = "armgs-form"
_TOKEN_SIZE: Final = 24  # bytes
_AGENT_LIMIT: Final = 200
_NUMBER_LIMIT: Final = 15  # hexadecimal digits: within what the engines' integers hold

Form: TypeAlias = Mapping[str, Sequence[str]]

_log = log.get("portal")


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is signed in. `form` is empty but for a POST, whose token was right."""

    request: Request
    person: Principal
    session: WebSession
    form_token: str  # for the hidden field of each form on the page
    form: Form = field(default_factory=dict)

    @classmethod
    def by_program(cls, request: Request, person: Principal) -> Visit:
        """Of who logs in with each request: there is no session, and the forms on the page lead nowhere."""
        return cls(request, person, WebSession(person.id, b"", "whole", 0, 0, 0, request.peer, ""), "")

    def value(self, name: str) -> str:
        """A field of the form, without spaces around it; "" where it is not there."""
        return self.form.get(name, ("",))[0].strip()

    def text(self, name: str) -> str:
        """A text in the person's language."""
        return text_of(self.request, name)


PersonHandler: TypeAlias = Callable[[Visit], Awaitable[Response]]
# The path of the page where the person takes a second step, "" where the password is enough.
SecondStep: TypeAlias = Callable[[Principal], Awaitable[str]]


class SignIn:
    """Signing in and out, and the wrapper for pages of people. It keeps nothing: there may be several."""

    def __init__(self, core: Core, pages: Pages, second_step: SecondStep | None = None) -> None:
        self._core = core
        self._settings, self._provider = core.config.http, core.config.sign_in_provider
        self._store, self._directory = core.store, core.directory
        self._pages = pages
        self._safety = Safety(core.config, pages)
        self.second_step = second_step
        self.keys = SecurityKeys(core.directory)

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return (
            (PATH, self._safety.guarded(self._answer)),
            (OUT, self.people(self._leave)),
        )

    # For pages

    def people(
        self, handler: PersonHandler, *, methods: Sequence[str] = ("GET", "POST"), limit: int = FORM_LIMIT
    ) -> Handler:
        """A handler that only who is signed in reaches; others are asked to sign in, and come back then."""

        async def answer(request: Request) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            if method not in methods:
                return Response(405, [("Allow", ", ".join(("HEAD", *methods)))])
            visit = await self.visit(request)
            if visit is None:
                target = request.target if method == "GET" else HOME
                return see_other(f"{PATH}?{urlencode({'next': target})}")
            if method == "POST":
                form = await self.form(request, visit.form_token, limit)
                visit = Visit(request, visit.person, visit.session, visit.form_token, form)
            if elsewhere := await duty.place(self._core, visit.person, request.path):
                return see_other(elsewhere)
            return await handler(visit)

        return self._safety.guarded(answer)

    async def visit(self, request: Request, stage: str = "whole") -> Visit | None:
        """Who sends the request, if signed in; with `stage` "password", who has yet to take a second step."""
        principal, token = self._token(request)
        if not principal:
            return None
        now, hashed = clock.now(), web_sessions.hash_of(token)
        idle = int(self._settings.sign_in_idle * clock.SECOND)
        found = await self._store.read(lambda tx: web_sessions.find(tx, principal, hashed, now, idle))
        person = await self._directory.by_id(principal) if found is not None else None
        if found is None or person is None or person.disabled or found.stage != stage:
            return None
        session = found
        if now - session.last_seen > web_sessions.SEEN_STEP:
            await self._store.write(lambda tx: web_sessions.note_use(tx, session, now, request.peer))
        return Visit(request, person, session, self._form_token(token))

    async def start(
        self, request: Request, person: Principal, target: str = HOME, *, stage: str = "whole"
    ) -> Response:
        """Signs in: a new session instead of the one that the browser may have had, and on to the target."""
        token, now = secrets.token_urlsafe(_TOKEN_SIZE), clock.now()
        before, old = self._token(request)
        agent = (request.header("user-agent") or "")[:_AGENT_LIMIT]
        session = WebSession(
            person.id,
            web_sessions.hash_of(token),
            stage,
            now,
            now,
            now + int(self._settings.sign_in_lifetime * clock.SECOND),
            request.peer,
            "".join(character for character in agent if character.isprintable()),
        )

        async def work(tx: Tx) -> None:
            if before:
                await web_sessions.remove(tx, before, web_sessions.hash_of(old))
            await web_sessions.add(tx, session, self._settings.sign_ins)

        await self._store.write(work)
        return see_other(
            local_target(target),
            set_cookie(request, _COOKIE, f"{person.id:x}.{token}"),
            clear_cookie(request, _FORM_COOKIE),
        )

    def render(self, template: str, visit: Visit, *, status: int = 200, **values: object) -> Response:
        """A page for who is signed in: templates extend person.html, which has the way around."""
        page = self._pages.render(
            template,
            visit.request,
            person=visit.person,
            form_token=visit.form_token,
            sections=SECTIONS,
            own=OWN,
            place=visit.request.path,
            **values,
        )
        return self._pages.html(visit.request, status, page)

    # Signing in and out

    async def _answer(self, request: Request) -> Response:
        if request.path != PATH:
            return Response(404)
        asked = parse_qs(request.query)
        target = local_target(asked.get("next", [HOME])[0])
        if request.method in ("GET", "HEAD"):
            return self.ask(request, 200, target, asked.get("address", [""])[0])
        if request.method != "POST":
            return Response(405, [("Allow", "GET, HEAD, POST")])
        sent = await self.sent_by_anybody(request)
        if sent is None:
            return self.ask(request, 403, target, problem="sign_in_again")
        form = sent[0]
        target = local_target(form.get("next", [HOME])[0])
        if not self._provider.takes_password:
            return self.ask(request, 403, target)
        address = form.get("address", [""])[0].strip()
        try:
            person = await self.check_password(request, address, form.get("password", [""])[0])
        except Throttled:
            return self.ask(request, 429, target, address, problem="sign_in_wait")
        except Denied:
            return self.ask(request, 403, target, address, problem="sign_in_wrong")
        return await self.go_on(request, person, target)

    async def go_on(self, request: Request, person: Principal, target: str) -> Response:
        """After the first step, whichever it was: signs in, or leads to the second one."""
        further = await self.second_step(person) if self.second_step is not None else ""
        if not further:
            return await self.start(request, person, target)
        return await self.start(request, person, f"{further}?{urlencode({'next': target})}", stage="password")

    async def check_password(self, request: Request, address: str, password: str) -> Principal:
        """Whose password it is, counted as every log-in. Denied, Throttled; no program's password will do."""
        auth = self._directory.auth
        person = await auth.login("web", request.peer, request.is_tls, address, password)
        if await auth.app_password(person, password) is not None:
            auth.refuse("web", "app password", request.peer, person, address)
            raise Denied(WRONG)
        return person

    def ask(
        self, request: Request, status: int, target: str, address: str = "", problem: str = ""
    ) -> Response:
        """The form; its own cookie, made anew each time, binds it to this browser."""
        token = secrets.token_urlsafe(_TOKEN_SIZE)
        bound = self._form_token(token)
        page = self._pages.render(
            "signin.html",
            request,
            form_token=bound,
            target=target,
            address=address,
            provider=self._provider,
            passkey=self.keys.asked_of_anybody(bound) if self._provider.takes_password else None,
            problem=text_of(request, problem) if problem else "",
        )
        response = self._pages.html(request, status, page)
        response.headers += [set_cookie(request, _FORM_COOKIE, token), SCRIPT_POLICY]
        if status == 429:
            response.headers.append(("Retry-After", "60"))
        return response

    async def _leave(self, visit: Visit) -> Response:
        """Signs out here, or everywhere."""
        person, session = visit.person, visit.session
        if visit.request.method != "POST":
            return see_other(HOME)
        if visit.value("everywhere"):
            await self._store.write(lambda tx: web_sessions.remove_all(tx, person.id))
        else:
            await self._store.write(lambda tx: web_sessions.remove(tx, person.id, session.token))
        _log.info("signed out", account=person.address, everywhere=int(bool(visit.value("everywhere"))))
        return see_other("/", clear_cookie(visit.request, _COOKIE))

    # Forms

    async def sent_by_anybody(self, request: Request) -> tuple[Form, str] | None:
        """A form of the page of signing in, and its token; None where the browser has lost its cookie."""
        token = cookie(request, _FORM_COOKIE)
        bound = self._form_token(token)
        return (await self.form(request, bound), bound) if token else None

    async def form(self, request: Request, expected: str, limit: int = FORM_LIMIT) -> Form:
        """The fields of a form of ours; Denied for one that another site has sent."""
        try:
            form = await fields_sent(request, limit, FIELD_LIMIT)
        except Invalid as error:
            raise Denied(text_of(request, "form_wrong")) from error
        given = form.get(TOKEN_FIELD, [""])[0]
        if not is_welcome(request, ()) or not hmac.compare_digest(given.encode(), expected.encode()):
            raise Denied(text_of(request, "form_wrong"))
        return form

    def _form_token(self, token: str) -> str:
        return self._directory.auth.passwords.keyed(b"web form", token.encode(), size=16).hex()

    def _token(self, request: Request) -> tuple[int, str]:
        """The principal and the token that the cookie names; 0 where there is none."""
        number, _, token = cookie(request, _COOKIE).partition(".")
        try:
            principal = int(number, 16) if len(number) <= _NUMBER_LIMIT and number.isalnum() else 0
        except ValueError:
            principal = 0
        return (principal, token) if token else (0, "")
