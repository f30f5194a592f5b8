# SPDX-License-Identifier: Apache-2.0
"""GET of a folder (RFC 4918 §9.4): a plain page of links, for a person with a browser and nothing else."""

from collections.abc import AsyncIterator

from armgs_server.dav.call import Call
from armgs_server.dav.features import Method, Shape
from armgs_server.dav.listing import member_pages
from armgs_server.dav.methods.get import handle_get
from armgs_server.dav.methods.propfind import shown_folders
from armgs_server.dav.methods.whole import handle_whole, is_asked
from armgs_server.dav.names import escape
from armgs_server.dav.properties import display_name, iso_date
from armgs_server.dav.resources import CollectionResource, MemberResource, Resource, VersionResource
from armgs_server.dav.wopi_discovery import Discovery
from armgs_server.directory.access import Rights
from armgs_server.errors import Temporary
from armgs_server.net.http import Response

FIELDS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Vary", "Accept"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "private, no-cache"),
]
_HEAD = (
    '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{title}</title><style>body{{font:16px sans-serif;margin:2em}}"
    "td{{padding:.2em 1em .2em 0}}</style>"
    "<h1>{title}</h1><table>{up}"
)
_ROW = '<tr><td><a href="{href}">{name}</a><td>{size}<td>{modified}<td>{edit}'


async def handle_read(call: Call) -> Response:
    """GET and HEAD of anything."""
    resource = call.resource
    if isinstance(resource, MemberResource):
        return await handle_get(call)
    if is_asked(call, resource):
        return await handle_whole(call)
    if isinstance(resource, CollectionResource):
        call.require(resource, Rights.READ)
    if call.request.method == "HEAD":
        return Response(200, list(FIELDS))
    return Response(200, list(FIELDS), _page(call, resource))


async def _page(call: Call, resource: Resource) -> AsyncIterator[bytes]:
    up = "" if resource.href == "/" else '<tr><td><a href="../">..</a>'
    yield _HEAD.format(title=escape(display_name(resource)), up=up).encode()
    folders = await shown_folders(call, resource)
    found = await _openable(call, resource)
    rows = [
        _member_row(each, None) if isinstance(each, VersionResource) else _folder_row(each)
        for each in folders
    ]
    yield "".join(rows).encode()
    if isinstance(resource, CollectionResource):
        async for page in member_pages(call.engine, resource):
            yield "".join(_member_row(each, found) for each in page).encode()
    yield b"</table>\n"


async def _openable(call: Call, resource: Resource) -> Discovery | None:
    """What the office editor opens, where there is one and it answers."""
    if resource.shape is not Shape.FILES or not call.engine.editor.is_there:
        return None
    try:
        return await call.engine.editor.discovery()
    except Temporary:
        return None  # the files are shown without it


def _folder_row(folder: Resource) -> str:
    return _ROW.format(
        href=folder.href, name=escape(display_name(folder)) + "/", size="", modified="", edit=""
    )


def _member_row(member: MemberResource, found: Discovery | None) -> str:
    name = member.item.name or ""
    is_openable = found is not None and bool(found.action(name, may_write=True)[0])
    return _ROW.format(
        href=member.href,
        name=escape(name),
        size=member.item.size,
        modified=iso_date(member.item.modified),
        edit=f'<a href="/edit{member.href.removeprefix("/dav")}">↗</a>' if is_openable else "",
    )


METHODS = (Method("GET", Shape.ANY, handle_read), Method("HEAD", Shape.ANY, handle_read))
