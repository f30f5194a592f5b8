# SPDX-License-Identifier: Apache-2.0
"""/edit/files/…: the page in which a document opens in the office editor.

It stands where the file does, with /edit for /dav, behind the same log-in. The access token goes to the
editor in the form's body, so it is in no address, history or log.
"""

from __future__ import annotations

import secrets
from urllib.parse import quote, urlencode, urlsplit

from armgs_server.dav.engine import Engine
from armgs_server.dav.errors import DavError
from armgs_server.dav.names import escape
from armgs_server.dav.paths import parse_target
from armgs_server.dav.resources import MemberResource
from armgs_server.dav.version_paths import is_inside
from armgs_server.dav.wopi import Wopi
from armgs_server.dav.wopi_tokens import Claim
from armgs_server.directory.access import Rights
from armgs_server.directory.languages import is_russian
from armgs_server.directory.model import Principal
from armgs_server.net.http import Request, Response
from armgs_server.storage import clock

PREFIX = "/edit/"
_PAGE = (
    '<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>{name}</title>'
    '<style nonce="{nonce}">html,body,iframe{{margin:0;width:100%;height:100%;border:0}}</style>'
    '<form method="post" action="{action}" target="editor">'
    '<input type="hidden" name="access_token" value="{token}">'
    '<input type="hidden" name="access_token_ttl" value="{ttl}">'
    '<noscript><button type="submit">{name}</button></noscript></form>'
    '<iframe name="editor" title="{name}" allow="clipboard-read; clipboard-write; fullscreen"></iframe>'
    '<script nonce="{nonce}">document.forms[0].submit()</script></html>\n'
)


class EditPage:
    """The handler, for who is logged in."""

    def __init__(self, engine: Engine, wopi: Wopi) -> None:
        self._engine = engine
        self._wopi = wopi

    async def handle(self, request: Request, person: Principal) -> Response:
        """The page of one file, opened for writing where the person may."""
        if request.method not in ("GET", "HEAD"):
            raise DavError(405, headers=(("Allow", "GET, HEAD"),))
        segments = parse_target(request.target).segments
        path = ("dav", *segments[1:])
        if not self._engine.editor.is_there or len(path) < 3 or is_inside(path):
            raise DavError(404)
        resource = await self._engine.locate(person, path)
        if not isinstance(resource, MemberResource) or path[1] != "files":
            raise DavError(404)
        rights = resource.parent.rights
        if Rights.READ not in rights:
            raise DavError(404)
        name = resource.item.name or ""
        found = await self._engine.editor.discovery()
        url, is_edit = found.action(name, may_write=Rights.WRITE in rights)
        if not url:
            raise DavError(404, "The office editor does not open files of this kind.")
        return await self._page(person, resource, url, may_write=is_edit)

    async def _page(
        self, person: Principal, resource: MemberResource, url: str, *, may_write: bool
    ) -> Response:
        item = resource.item
        expires = clock.now() + self._engine.config.dav.editor_hours * clock.HOUR
        claim = Claim(person.id, item.owner, item.collection, item.uid, may_write, expires)
        language = "ru" if is_russian(person) else "en"
        parts = urlsplit(url)
        joint = "" if url.endswith(("?", "&")) else "&" if parts.query else "?"
        query = urlencode({"WOPISrc": self._wopi.url(claim), "lang": language}, quote_via=quote)
        nonce = secrets.token_urlsafe(16)
        page = _PAGE.format(
            lang=language,
            name=escape(item.name or "").replace('"', "&quot;"),
            nonce=nonce,
            action=escape(f"{url}{joint}{query}").replace('"', "&quot;"),
            token=await self._wopi.token(claim),
            ttl=expires // 1000,  # milliseconds since 1970
        )
        origin = f"{parts.scheme}://{parts.netloc}"
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; frame-src {origin}; "
            f"form-action {origin}; base-uri 'none'; frame-ancestors 'none'"
        )
        fields = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ]
        return Response(200, fields, page.encode())
