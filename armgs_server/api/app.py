# SPDX-License-Identifier: Apache-2.0
"""The API's one handler: log-in, verb, arguments, answer.

Nothing is done for a page of another site: what changes something must have a body of application/json, which
a browser sends elsewhere only where that is allowed, and nothing here allows it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from armgs_server.administration import VERBS, Office, Verb
from armgs_server.administration.fields import Field, check
from armgs_server.api import openapi, reading
from armgs_server.api.authorisation import challenges, office_of
from armgs_server.errors import DomainError, Invalid, NotFound
from armgs_server.net.http import Handler, Request, Response
from armgs_server.net.http.answer import STATUS_OF
from armgs_server.net.stream import Listener
from armgs_server.service import Core

PREFIX: Final = "/api/"
_DOCUMENT: Final = "/api/openapi.json"
_HEADERS: Final = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
]
_CHANGES: Final = {
    "steps": Field("steps", "", required=True),
    "preview": Field("boolean", ""),
    "expect": Field("string", ""),
}


class _NotJson(Invalid):
    """A body is application/json."""


class Api:
    """It has no listeners and nothing running."""

    listeners: Sequence[Listener] = ()

    def __init__(self, core: Core) -> None:
        self._settings = core.config.administration
        self._directory = core.directory
        self._routes = reading.Routes(VERBS)
        self._document = json.dumps(openapi.document(VERBS), ensure_ascii=False).encode()

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return ((PREFIX, self._answer),)

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing runs in the background."""

    async def _answer(self, request: Request) -> Response:
        try:
            if not self._settings.api:
                raise NotFound("there is nothing at this path")
            if request.path == _DOCUMENT:
                return _described(request, self._document)
            return await self._do(request)
        except DomainError as error:
            return _problem(error)

    async def _do(self, request: Request) -> Response:
        segments = reading.parse_segments(request.target, f"{openapi.PREFIX}/")
        office = await office_of(self._directory, request)
        if segments == ["changes"]:
            if request.method != "POST":
                return _refused_method(["POST"])
            return _json(await self._change(office, await self._body(request)))
        verbs = self._routes.find(segments)
        method = "GET" if request.method == "HEAD" else request.method
        if method not in verbs:
            return _refused_method(list(verbs))
        verb = verbs[method]
        body = {} if method in ("GET", "DELETE") else await self._body(request)
        return _json(await self._run(office, verb, segments, request.query, body))

    async def _run(
        self, office: Office, verb: Verb, segments: list[str], text: str, body: Mapping[str, Any]
    ) -> Any:
        query = reading.parse_query(text)
        is_preview = reading.is_true(query, "preview") if verb.has_preview else False
        expect = query.pop("expect", "") if verb.has_preview else ""
        given = reading.arguments_of(verb, segments, query, body)
        if is_preview:
            [result], effects = await office.preview([office.step(verb.name, given)])
            return {"preview": effects.as_json(), "result": result}
        return await office.run(verb.name, given, expect=expect)

    async def _change(self, office: Office, body: Mapping[str, Any]) -> Any:
        given = check(_CHANGES, body)
        steps = []
        for each in given["steps"]:
            if not isinstance(each, dict) or not each.keys() <= {"verb", "arguments"}:
                raise Invalid("a step is an object with `verb` and `arguments`")
            name, arguments = each.get("verb"), each.get("arguments", {})
            if not isinstance(name, str) or not isinstance(arguments, dict):
                raise Invalid("a step is an object with `verb` and `arguments`")
            steps.append(office.step(name, arguments))
        if given.get("preview"):
            results, effects = await office.preview(steps)
            return {"preview": effects.as_json(), "results": results}
        return {"results": await office.run_all(steps, expect=given.get("expect", ""))}

    async def _body(self, request: Request) -> dict[str, Any]:
        kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise _NotJson()
        return reading.parse_body(await request.read(self._settings.body_size))


def _described(request: Request, document: bytes) -> Response:
    if request.method not in ("GET", "HEAD"):
        return _refused_method(["GET"])
    headers = [("Content-Type", "application/vnd.oai.openapi+json;version=3.1"), *_HEADERS[1:]]
    return Response(200, headers, document)


def _json(value: Any) -> Response:
    content = json.dumps(value, ensure_ascii=False).encode()
    return Response(200, [("Content-Type", "application/json"), *_HEADERS], content)


def _refused_method(methods: list[str]) -> Response:
    allowed = ["HEAD", *methods] if "GET" in methods else methods
    response = _detail(405, "")
    response.headers.append(("Allow", ", ".join(sorted(allowed))))
    return response


def _problem(error: DomainError) -> Response:
    """RFC 9457 §3: what went wrong, for programs."""
    status, asked = challenges(error)
    if status:
        response = _detail(status, error.text)
        response.headers += asked
        return response
    if isinstance(error, _NotJson):
        return _detail(415, error.text)
    status = next((status for kind, status in STATUS_OF if isinstance(error, kind)), 400)
    response = _detail(status, error.text)
    if status in (429, 503):
        response.headers.append(("Retry-After", "30"))
    return response


def _detail(status: int, detail: str) -> Response:
    content: dict[str, Any] = {"title": HTTPStatus(status).phrase, "status": status}
    if detail:
        content["detail"] = detail
    headers = [("Content-Type", "application/problem+json"), *_HEADERS]
    return Response(status, headers, json.dumps(content, ensure_ascii=False).encode())
