# SPDX-License-Identifier: Apache-2.0
"""The HTTP side of the engine: who asks, which resource, which method, and errors as answers.

Basic authentication on every request (RFC 7617), checked by the directory, which remembers good ones, or a
token (RFC 6750). Who is not logged in gets 401 whatever the path: nothing is told about what exists.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from armgs_server import log
from armgs_server.dav import bearer, push
from armgs_server.dav.call import Call
from armgs_server.dav.engine import Engine
from armgs_server.dav.errors import DavError, describe, from_domain
from armgs_server.dav.features import Shape
from armgs_server.dav.paths import parse_target
from armgs_server.dav.resources import Resource
from armgs_server.directory.model import Principal
from armgs_server.errors import Denied, DomainError
from armgs_server.net.http import Request, Response
from armgs_server.net.http.basic import CHALLENGE, parse_basic, parse_bearer

# What somebody uses who asks below these (directory.logins.ALL_PARTS).
_PARTS = {"calendars": "calendar", "addressbooks": "contacts", "files": "files"}

Answer: TypeAlias = Callable[[Request, Principal], Awaitable[Response]]

_log = log.get("dav")


class App:
    """One handler for the whole URL space."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def handle(self, request: Request) -> Response:
        """Any request to DAV."""
        return await self.authenticated(request, self.dispatch)

    async def authenticated(self, request: Request, answer: Answer) -> Response:
        """Lets whoever is logged in have the answer; refusals as answers."""
        try:
            person = await self._authenticate(request)
            return await answer(request, person)
        except DavError as error:
            return _refuse(error)
        except DomainError as error:
            refusal = from_domain(error)
            _log.debug("refused", method=request.method, path=request.path, status=describe(refusal))
            return _refuse(refusal)

    async def _authenticate(self, request: Request) -> Principal:
        token = parse_bearer(request.header("authorization"))
        if token is not None:
            return await bearer.authenticate(self.engine.directory.auth.oauth, request, token)
        bearer.lift()
        credentials = parse_basic(request.header("authorization"))
        if credentials is None:
            raise DavError(401, headers=(CHALLENGE,))
        try:
            auth = self.engine.directory.auth
            return await auth.login("dav", request.peer, request.is_tls, *credentials)
        except Denied as error:
            raise DavError(401, error.text, headers=(CHALLENGE,)) from error

    async def dispatch(self, request: Request, person: Principal) -> Response:
        """The answer to somebody's request."""
        path = parse_target("/" if request.target == "*" else request.target)
        tables = self.engine.tables
        place, resource = await self.engine.locate_place(person, path.segments)
        method = tables.methods.get(request.method)
        if method is None or resource.shape not in method.on:
            if resource.shape is Shape.UNMAPPED and method is not None:
                raise DavError(404)
            if method is not None and method.mapped:
                raise DavError(403, condition=method.mapped)
            raise DavError(405, headers=(("Allow", tables.allow[resource.shape]),))
        part = _PARTS.get(path.segments[1]) if len(path.segments) > 2 else None
        if part is not None:
            self.engine.directory.auth.logins.use(person.id, part)
        engine = push.engine_of(self.engine, request, person, place)
        call = Call(engine, request, person, path, place, resource)
        response = await method.handle(call)
        if not path.slash and _is_folder(resource):
            # RFC 4918 §5.2: which URL it really is, where the client left out the slash.
            response.headers.append(("Content-Location", resource.href))
        return response


def _is_folder(resource: Resource) -> bool:
    return resource.shape in Shape.FOLDER


def _refuse(error: DavError) -> Response:
    content_type, body = error.body()
    return Response(error.status, [("Content-Type", content_type), *error.headers], body)
