# SPDX-License-Identifier: Apache-2.0
"""Files by link: the page that whoever has a link sees, and the page where people make and revoke theirs.

/link/TOKEN         what file it is; POST downloads it, with the password where there is one
/link/TOKEN/NAME    the file itself, for programs, where there is no password
/links              one's own links, behind the sign-in; programs may log in by Basic instead
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlsplit

from armgs_server import log
from armgs_server.directory import sharelinks
from armgs_server.directory.model import Principal
from armgs_server.errors import Denied, DomainError, Invalid, NotFound, Throttled
from armgs_server.net.http import Request, Response
from armgs_server.net.http.basic import CHALLENGE, parse_basic
from armgs_server.net.http.origin import is_welcome
from armgs_server.net.ranges import content_range, parse_range
from armgs_server.portal.pages import Pages, text_of
from armgs_server.portal.reading import fields_sent
from armgs_server.portal.signin import SignIn, Visit
from armgs_server.service import Core
from armgs_server.storage import clock
from armgs_server.storage import sharelinks as rows
from armgs_server.storage.items import Item
from armgs_server.storage.sharelinks import Link, Listed
from armgs_server.storage.tx import Tx

DESK = "/links"
FORM_LIMIT = 16 * 1024
FIELDS = 20
# What somebody has uploaded must not act as a page of this server.
_SAFETY = [("Content-Security-Policy", "sandbox"), ("X-Content-Type-Options", "nosniff")]

_log = log.get("portal")


class ShareLinks:
    """Both pages; the portal adds the headers that keep a browser safe."""

    def __init__(self, core: Core, pages: Pages, sign_in: SignIn) -> None:
        self._core = core
        self._pages = pages
        self._sign_in = sign_in
        self._people = sign_in.people(self._visited)

    async def answer(self, request: Request) -> Response:
        """Everything under /link/."""
        token, _, name = request.path.removeprefix(sharelinks.PREFIX).partition("/")
        found = await sharelinks.find(self._core.directory, token)
        if found is None:
            raise NotFound(text_of(request, "link_gone"))
        link, item = found
        if request.method == "POST":
            form = await _form(request)
            return await self._download(request, link, item, form.get("password", ""))
        if request.method not in ("GET", "HEAD"):
            return Response(405, [("Allow", "GET, HEAD, POST")])
        if name and not link.password:
            return await self._send(request, link, item)
        return await self._page(request, link, item)

    async def _page(self, request: Request, link: Link, item: Item, problem: str = "") -> Response:
        owner = await self._core.directory.by_id(link.owner)
        page = self._pages.render(
            "link.html",
            request,
            name=item.name,
            size=_size(item.size),
            owner=owner.name if owner is not None else "",
            until=_day(link.expires),
            has_password=bool(link.password),
            problem=problem,
        )
        return self._pages.html(request, 403 if problem else 200, page)

    async def _download(self, request: Request, link: Link, item: Item, password: str) -> Response:
        try:
            is_right = await sharelinks.check_password(self._core.directory, link, password, request.peer)
        except Throttled:
            return Response(429, [("Retry-After", "60")])
        if not is_right:
            _log.info("wrong password of a link", link=link.id, peer=request.peer)
            return await self._page(request, link, item, text_of(request, "link_wrong"))
        return await self._send(request, link, item)

    async def _send(self, request: Request, link: Link, item: Item) -> Response:
        """The bytes as they lie there, in pieces; a program may fetch the rest of them later."""
        try:
            wanted = parse_range(request.header("range"), item.size) if request.method == "GET" else None
        except Invalid:
            return Response(416, [("Content-Range", f"bytes */{item.size}")])
        start, end = wanted[0] if wanted is not None and len(wanted) == 1 else (0, item.size)
        headers = [
            ("Content-Type", item.content_type or "application/octet-stream"),
            ("Content-Disposition", f"attachment; filename*=UTF-8''{quote(item.name or '', safe='')}"),
            ("ETag", item.etag),
            ("Accept-Ranges", "bytes"),
            ("Cache-Control", "private, no-store"),
            *_SAFETY,
        ]
        is_part = (start, end) != (0, item.size)
        if is_part:
            headers.append(("Content-Range", content_range(start, end, item.size)))
        if request.method == "HEAD":
            return Response(200, headers, b"", length=item.size)
        if start == 0:
            await self._core.store.write(lambda tx: rows.note_use(tx, link))
            _log.info(
                "file fetched by link", link=link.id, file=item.name, owner=link.owner, peer=request.peer
            )
        body = self._core.store.blobs.stream(item.blob, start, end)
        return Response(206 if is_part else 200, headers, body, length=end - start)

    # One's own links

    async def desk(self, request: Request) -> Response:
        """/links: GET shows them, POST makes or revokes one."""
        if request.path != DESK:
            raise NotFound()
        if request.header("authorization") is None:
            return await self._people(request)
        person = await self._person(request)
        if person is None:
            return Response(401, [CHALLENGE])
        if request.method in ("GET", "HEAD"):
            return await self._list(request, person)
        if request.method != "POST":
            return Response(405, [("Allow", "GET, HEAD, POST")])
        if not is_welcome(request, ()):
            raise Denied()
        return await self._change(request, person, await _form(request))

    async def _visited(self, visit: Visit) -> Response:
        """The same for who is signed in."""
        if visit.request.method != "POST":
            return await self._list(visit.request, visit.person, visit=visit)
        form = {name: values[0] for name, values in visit.form.items()}
        return await self._change(visit.request, visit.person, form, visit)

    async def _change(
        self, request: Request, person: Principal, form: dict[str, str], visit: Visit | None = None
    ) -> Response:
        if "revoke" in form:
            await self._core.store.write(lambda tx: rows.revoke(tx, person.id, form["revoke"]))
            _log.info("link revoked", link=form["revoke"], owner=person.id)
            return await self._list(request, person, visit=visit)
        try:
            made = await self._make(person, form)
        except DomainError as error:
            problem = error.text or text_of(request, "not_found")
            return await self._list(request, person, problem=problem, visit=visit)
        return await self._list(request, person, made=made, visit=visit)

    async def _person(self, request: Request) -> Principal | None:
        credentials = parse_basic(request.header("authorization"))
        if credentials is None:
            return None
        try:
            return await self._core.directory.auth.login("dav", request.peer, request.is_tls, *credentials)
        except Denied:
            return None

    async def _make(self, person: Principal, form: dict[str, str]) -> str:
        """The URL of a new link."""
        days = form.get("days", "")
        if days and not (days.isascii() and days.isdecimal() and len(days) < 6):
            raise Invalid("days are a number")
        hashed = await sharelinks.password_hash(self._core.directory, form.get("password", ""))
        path, token = _path(form.get("path", ""), person), sharelinks.new_token()

        async def work(tx: Tx) -> Link:
            item = await sharelinks.file_at(tx, person.id, path)
            if item is None:
                raise NotFound()
            link = sharelinks.made(self._core.config, item, person.id, token, hashed, int(days or 0))
            await rows.add(tx, link)
            return link

        link = await self._core.store.write(work)
        _log.info("link made", link=link.id, owner=person.id, peer="")
        return sharelinks.url(self._core.config, token)

    async def _list(
        self,
        request: Request,
        person: Principal,
        made: str = "",
        problem: str = "",
        visit: Visit | None = None,
    ) -> Response:
        listed = await self._core.store.read(lambda tx: rows.of_owner(tx, person.id))
        return self._sign_in.render(
            "links.html",
            visit or Visit.by_program(request, person),
            status=400 if problem else 200,
            links=[_shown(each) for each in listed],
            made=made,
            problem=problem,
            days=self._core.config.http.link_days,
            needs_password=self._core.config.http.link_password,
        )


def _path(text: str, person: Principal) -> list[str]:
    """The file that a person means: its WebDAV address, or its path among the person's files."""
    path = unquote(urlsplit(text).path) if "://" in text else text
    segments = [segment for segment in path.split("/") if segment]
    if segments[:3] == ["dav", "files", person.address]:
        segments = segments[3:]
    if not segments:
        raise NotFound()
    return segments


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, each once."""
    return {name: values[0] for name, values in (await fields_sent(request, FORM_LIMIT, FIELDS)).items()}


def _shown(listed: Listed) -> dict[str, object]:
    link = listed.link
    return {
        "id": link.id,
        "name": listed.name,
        "size": _size(listed.size),
        "until": _day(link.expires),
        "downloads": link.downloads,
        "has_password": bool(link.password),
    }


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment // clock.SECOND, UTC).strftime("%Y-%m-%d")


def _size(size: int) -> str:
    """For people: units of 1024."""
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
