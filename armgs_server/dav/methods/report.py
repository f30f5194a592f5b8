# SPDX-License-Identifier: Apache-2.0
"""REPORT (RFC 3253 §3.6): finds the report by its root element; expand-property (§3.8)."""

import re
from collections.abc import Iterator

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Method, Property, Report, Shape
from armgs_server.dav.multistatus import multistatus, status_response
from armgs_server.dav.names import DAV, DECLARATIONS, dav, element, empty, escape
from armgs_server.dav.paths import parse_href
from armgs_server.dav.resources import Resource, UnmappedResource
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, PropFind, hrefs_of, parse_document
from armgs_server.errors import NotFound
from armgs_server.net.http import Response

MAX_EXPANDED = 500  # hrefs followed by one expand-property
MAX_DEPTH = 4  # of properties inside properties
_NCNAME = re.compile(r"[^\W\d][\w.\-]*\Z")


async def handle_report(call: Call) -> Response:
    """403 DAV:supported-report for one that is not known here."""
    root = parse_document(await call.body())
    report = call.engine.tables.reports.get(str(root.tag))
    if report is None or call.resource.shape not in report.on:
        raise DavError(403, condition=dav("supported-report"))
    return await report.handle(call, root)


def _supported_reports(view: View, resource: Resource) -> str:
    reports = "".join(
        f"<D:supported-report><D:report>{empty(report.name)}</D:report></D:supported-report>"
        for report in view.engine.tables.reports.values()
        if resource.shape in report.on
    )
    return f"<D:supported-report-set>{reports}</D:supported-report-set>"


async def handle_expand_property(call: Call, root: Element) -> Response:
    """§3.8: a PROPFIND of Depth 0 in which the hrefs inside named properties are opened."""
    left = iter(range(MAX_EXPANDED))
    return multistatus([await _expand(call, call.resource, root, left, 0)], headers=call.headers)


async def _expand(call: Call, resource: Resource, asked: Element, left: Iterator[int], depth: int) -> str:
    if depth > MAX_DEPTH:
        raise DavError(403, "The properties are nested too deep.")
    wanted = {_name_of(each): each for each in asked.findall(dav("property"))}
    view = call.view(PropFind("prop", tuple(wanted)))
    await view.prepare([resource])
    values: list[tuple[str, str | None]] = []
    for name, text in view.values(resource):
        if text is not None and len(wanted[name]):
            # The element was made by this server; it is parsed again only to find its hrefs.
            closed = parse_document(f"<r {DECLARATIONS}>{text}</r>".encode())[0]
            opened = [await _follow(call, href, wanted[name], left, depth) for href in hrefs_of(closed)]
            text = element(name, "".join(opened))
        values.append((name, text))
    stats = view.serialise_propstats(values)
    return f"<D:response><D:href>{resource.href}</D:href>{stats}</D:response>"


async def _follow(call: Call, href: str, asked: Element, left: Iterator[int], depth: int) -> str:
    if next(left, None) is None:
        raise DavError(403, "Too many resources to expand.")
    try:
        resource = await call.engine.locate(call.person, parse_href(href).segments)
    except (NotFound, DavError):
        return status_response(escape(href), 404)
    if isinstance(resource, UnmappedResource):
        return status_response(resource.href, 404)
    return await _expand(call, resource, asked, left, depth + 1)


def _name_of(asked: Element) -> str:
    namespace, name = asked.get("namespace", DAV), asked.get("name", "")
    if not _NCNAME.match(name):
        raise DavError(400, "DAV:property needs a name.")
    return f"{{{namespace}}}{name}" if namespace else name


PROPERTY = Property(dav("supported-report-set"), Shape.ANY, _supported_reports)
REPORT = Report(dav("expand-property"), Shape.ANY, handle_expand_property)
METHOD = Method("REPORT", Shape.ANY, handle_report)
