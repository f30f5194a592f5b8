# SPDX-License-Identifier: Apache-2.0
"""What every page answers with: the headers that keep a browser safe, and a page for what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from armgs_server.config import Config
from armgs_server.errors import Conflict, Denied, DomainError, NotFound, Temporary, Throttled, TooLarge
from armgs_server.net.http import Handler, Request, Response
from armgs_server.portal.pages import Pages, text_of

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; {script}img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# A page needs the one style sheet and nothing else, from nowhere else.
SECURITY_HEADERS: Final = (
    ("Content-Security-Policy", _POLICY.format(script="")),
    ("X-Content-Type-Options", "nosniff"),
    # With no-referrer, browsers say `Origin: null` of our own forms (Fetch standard, §3.2).
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)
# Those that ask for a security key need a script file of ours, too.
SCRIPT_POLICY: Final = ("Content-Security-Policy", _POLICY.format(script="script-src 'self'; "))
_HSTS: Final = ("Strict-Transport-Security", "max-age=31536000")
_STATUS: Final[Mapping[type[DomainError], int]] = {
    NotFound: 404,
    Denied: 403,
    Conflict: 409,
    Throttled: 429,
    TooLarge: 413,
    Temporary: 503,
}
# What is said where the error says nothing of its own.
_TEXTS: Final[Mapping[int, str]] = {404: "not_found", 403: "not_for_you", 409: "changed_meanwhile"}


HOME: Final = "/me"  # the first of a person's own pages
TARGET_LIMIT: Final = 4096  # characters


def local_target(target: str) -> str:
    """A place on these pages; whatever else was asked for becomes the first of a person's own.

    Browsers take `//host`, and a backslash for a slash: neither may lead anywhere.
    """
    is_path = target.startswith("/") and not target.startswith("//")
    if not is_path or "\\" in target or not target.isprintable() or len(target) > TARGET_LIMIT:
        return HOME
    return quote(target, safe="/?&=%:@+,;~!$'()*-._#")


def see_other(target: str, *more: tuple[str, str]) -> Response:
    """The browser goes on there, as after a form (RFC 9110 §15.4.4); `more` are further header fields."""
    return Response(303, [("Location", target), *more, ("Cache-Control", "no-store")])


class Safety:
    """Wraps handlers of pages."""

    def __init__(self, config: Config, pages: Pages) -> None:
        self._config = config
        self._pages = pages

    def guarded(self, handler: Handler, security: Sequence[tuple[str, str]] = SECURITY_HEADERS) -> Handler:
        """With the headers; a domain error becomes a page that says what is wrong."""

        async def answer(request: Request) -> Response:
            try:
                response = await handler(request)
            except DomainError as error:
                response = self.refusal(request, error)
            own = {name for name, _ in response.headers}
            response.headers += [field for field in security if field[0] not in own]
            # HSTS is for a whole host: with moved ports there are other servers on it.
            if request.is_tls and not self._config.server.port_offset:
                response.headers.append(_HSTS)
            return response

        return answer

    def read_only(self, handler: Handler, security: Sequence[tuple[str, str]] = SECURITY_HEADERS) -> Handler:
        """guarded(), for GET and HEAD alone."""
        guarded = self.guarded(handler, security)

        async def answer(request: Request) -> Response:
            if request.method not in ("GET", "HEAD"):
                return Response(405, [("Allow", "GET, HEAD")])
            return await guarded(request)

        return answer

    def page(self, path: str, handler: Handler) -> tuple[str, Handler]:
        """A route that is read_only(), for this very path: nothing lies below it."""

        async def answer(request: Request) -> Response:
            if request.path != path:
                raise NotFound()
            return await handler(request)

        return path, self.read_only(answer)

    def refusal(self, request: Request, error: DomainError) -> Response:
        """The page that says what is wrong, with its status."""
        status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 400)
        is_said = error.text != (type(error).__doc__ or "").strip()
        text = error.text if is_said or status not in _TEXTS else text_of(request, _TEXTS[status])
        return self._pages.html(request, status, self._pages.error(request, text))
