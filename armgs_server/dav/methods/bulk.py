# SPDX-License-Identifier: Apache-2.0
"""Many objects in one POST to a calendar or an address book, as Apple's clients import them.

There is no RFC; this is what Calendar Server calls bulk requests (MM:bulk-requests). The body is either a
file of objects, each of which becomes a new member, or an MM:multiput, in which each MM:resource makes,
overwrites or removes one member. Each is checked and written as a PUT or a DELETE of its own would be, in
the order given, and the 207 says for each what has become of it: one that fails stops no other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from armgs_server.dav import push
from armgs_server.dav.caldav_data import escape_data
from armgs_server.dav.call import Call
from armgs_server.dav.errors import REASONS, DavError, from_domain, status_line
from armgs_server.dav.features import Feature, Method, Property, Put, Shape
from armgs_server.dav.guard import Guard
from armgs_server.dav.methods.delete import check_removable, remove_resource
from armgs_server.dav.methods.put import Body, target_of, write_member
from armgs_server.dav.multistatus import multistatus, refusal, status_response
from armgs_server.dav.names import CALDAV, CARDDAV, dav, element, escape
from armgs_server.dav.paths import Path, parse_href, quote
from armgs_server.dav.push_messages import REGISTER
from armgs_server.dav.resources import CollectionResource, MemberResource, UnmappedResource
from armgs_server.dav.sharing import handle_share
from armgs_server.dav.sharing_requests import SHARE
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, parse_document, text_of
from armgs_server.directory.access import Rights
from armgs_server.errors import DomainError, Invalid
from armgs_server.formats import icalendar_split, vcard
from armgs_server.formats.contentline import scan_tolerantly
from armgs_server.net.http import Response
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

MM = "http://me.com/_namespace/"
BULK_REQUESTS = f"{{{MM}}}bulk-requests"
SHAPES = Shape.CALENDAR | Shape.ADDRESSBOOK
XML_TYPES = ("application/xml", "text/xml")
CTAG = f"<{MM}ctag/"  # what an If header of a client names instead of a state token


@dataclass(frozen=True, slots=True)
class Format:
    """What differs between events and cards."""

    data: str  # the element that holds an object
    tag: str  # the same as answers spell it
    media_type: str
    ending: str
    split: Callable[[bytes], tuple[Sequence[bytes], Sequence[Invalid]]]
    invalid: str  # the condition that a file that cannot be read violates


@dataclass(frozen=True, slots=True)
class Order:
    """One member to be written, or with no data removed; `href` is "" for a new one."""

    href: str
    data: bytes | None
    etag: str | None = None
    is_resource: bool = True  # of an MM:multiput


def _split_calendar(data: bytes) -> tuple[Sequence[bytes], Sequence[Invalid]]:
    found = icalendar_split.split(data)
    return [part.data for part in found.parts], found.refused


def _split_cards(data: bytes) -> tuple[Sequence[bytes], Sequence[Invalid]]:
    parts, refused = vcard.split(data)
    return [part.data for part in parts], refused


FORMATS = {
    Shape.CALENDAR: Format(
        f"{{{CALDAV}}}calendar-data",
        "C:calendar-data",
        "text/calendar",
        ".ics",
        _split_calendar,
        f"{{{CALDAV}}}valid-calendar-data",
    ),
    Shape.ADDRESSBOOK: Format(
        f"{{{CARDDAV}}}address-data",
        "CR:address-data",
        "text/vcard",
        ".vcf",
        _split_cards,
        f"{{{CARDDAV}}}valid-address-data",
    ),
}


async def handle_bulk(call: Call) -> Response:
    """207 with a DAV:response for each object."""
    parent = call.require(call.resource, Rights.READ)
    form = FORMATS[parent.shape]
    kind = (call.header("content-type") or form.media_type).partition(";")[0].strip().lower()
    if kind in XML_TYPES:
        root = parse_document(await call.body())
        if root.tag == SHARE:
            return await handle_share(call, root)
        if root.tag == REGISTER:
            return await push.register(call, parent, root)
        orders = _parse_multiput(root, form)
    else:
        orders = await _parse_file(call, form, kind)
    _check_ctag(call, parent)
    limit = call.engine.config.dav.bulk_resources
    if len(orders) > limit:
        raise DavError(403, f"At most {limit} objects at once.", condition=f"{{{MM}}}max-resources")
    shows = call.header("x-mobileme-dav-options") == "return-changed-data"
    texts = [await _carry_out(call, parent, form, order, shows=shows) for order in orders]
    ctag = await _ctag(call, parent)
    return multistatus(texts, headers=[*call.headers, ("CTag", ctag)])


def _check_ctag(call: Call, parent: CollectionResource) -> None:
    """An If header that names the collection's tag: nobody else has written meanwhile."""
    given = (call.header("if") or "").strip()
    if given.startswith(CTAG) and given != f"{CTAG}{_tag_of(parent)}>":
        raise DavError(412, "The collection has changed meanwhile.")


def _tag_of(parent: CollectionResource) -> str:
    return f"{parent.collection.id}-{parent.collection.modseq}"


async def _ctag(call: Call, parent: CollectionResource) -> str:
    now = await call.engine.locate(call.person, call.path.segments)
    return _tag_of(now if isinstance(now, CollectionResource) else parent)


async def _parse_file(call: Call, form: Format, kind: str) -> list[Order]:
    if kind != form.media_type:
        raise DavError(415, f"{form.media_type} or XML expected.")
    parts, refused = form.split(await call.body())
    if refused:
        raise DavError(403, str(refused[0]), condition=form.invalid)
    return [Order("", data, is_resource=False) for data in parts]


def _parse_multiput(root: Element, form: Format) -> list[Order]:
    if root.tag != f"{{{MM}}}multiput":
        raise DavError(400, "MM:multiput expected.")
    return [_parse_resource(each, form) for each in root.findall(f"{{{MM}}}resource")]


def _parse_resource(resource: Element, form: Format) -> Order:
    href = resource.find(dav("href"))
    where = text_of(href).strip() if href is not None else ""
    match = resource.find(f"{{{MM}}}if-match/{dav('getetag')}")
    etag = text_of(match).strip() if match is not None else None
    if resource.find(f"{{{MM}}}delete") is not None:
        if not where:
            raise DavError(400, "MM:delete needs a DAV:href.")
        return Order(where, None, etag)
    # COMPAT: the data stands in DAV:set or in its DAV:prop.
    data = next(resource.iterfind(f"{dav('set')}//{form.data}"), None)
    if data is None:
        raise DavError(400, "MM:resource needs the data to set, or MM:delete.")
    text = text_of(data).strip().replace("\r\n", "\n").replace("\n", "\r\n")
    return Order(where, f"{text}\r\n".encode(), etag)


async def _carry_out(
    call: Call, parent: CollectionResource, form: Format, order: Order, *, shows: bool
) -> str:
    """The DAV:response of one order."""
    href = order.href or parent.href + quote(f"{uuid4()}{form.ending}")
    try:
        part = await _call_of(call, parent, href)
        if order.data is None:
            await _remove(part, order)
            return status_response(part.resource.href, 200)
        return await _write(part, form, order, shows=shows)
    except DavError as error:
        return refusal(escape(href), _as_clients_know(error))
    except DomainError as error:
        return refusal(escape(href), from_domain(error))


def _as_clients_know(error: DavError) -> DavError:
    # COMPAT Apple's clients: a conflict of UIDs is 403 in these answers.
    if error.condition.endswith("}no-uid-conflict"):
        return DavError(403, error.text, condition=error.condition, content=error.content)
    return error if error.status in REASONS else DavError(403)


async def _call_of(call: Call, parent: CollectionResource, href: str) -> Call:
    """The request as if it were made to one member of the collection."""
    path = parse_href(href)
    if path.segments[:-1] != call.path.segments:
        raise DavError(403, "It does not lie in this collection.")
    place, resource = await call.engine.locate_place(call.person, path.segments)
    if not isinstance(resource, MemberResource | UnmappedResource):
        raise DavError(403, "It is no member of this collection.")
    return replace(call, path=Path(path.segments, slash=False), place=place, resource=resource, headers=[])


async def _remove(call: Call, order: Order) -> None:
    if not isinstance(call.resource, MemberResource):
        raise DavError(404)
    if order.etag is not None and order.etag != call.resource.item.etag:
        raise DavError(412, "It is another one by now.")
    check_removable(call, call.resource)
    if await remove_resource(call, Guard(call, ())):
        raise DavError(423)


async def _write(call: Call, form: Format, order: Order, *, shows: bool) -> str:
    parent, name = target_of(call, call.resource)
    kind, data = parent.kind, order.data
    assert kind.check is not None and data is not None and call.place is not None
    if len(data) > kind.size_limit(call.engine.config):
        raise DavError(403, condition=kind.too_large)
    put = Put(call, parent, name, kind.content_type, data)
    checked = await kind.check(put)
    effects = await kind.put_effects(put, checked) if kind.put_effects is not None else None
    ref = await call.engine.store.blobs.put(data)

    async def check_etag(tx: Tx, present: Item | None) -> None:
        if order.etag is not None and (present is None or present.etag != order.etag):
            raise DavError(412, "It is another one by now.")

    body = Body(parent, name, kind.content_type, ref, checked, effects)
    item, _ = await write_member(call, Guard(call, ()), call.place, body, check_etag)
    is_changed = item.blob != ref.hash  # by the server, as when SCHEDULE-STATUS was added
    # RFC 4791 §5.3.4: no entity tag where the client's bytes are not what is stored, unless it gets these.
    found = "" if is_changed and not shows else f"<D:getetag>{item.etag}</D:getetag>"
    if not order.href:
        uid = next((line[2] for line in scan_tolerantly(data) if line[0] == "UID"), "")
        found += f"<CS:uid>{escape(uid)}</CS:uid>"
    # COMPAT: with MM:multiput Apple's clients expect the data whether it was changed or not.
    if shows and (is_changed or order.is_resource):
        stored = await call.engine.store.blobs.read(item.blob)
        found += f"<{form.tag}>{escape_data(stored)}</{form.tag}>"
    stat = f"<D:prop>{found}</D:prop><D:status>{status_line(200)}</D:status>"
    return f"<D:response><D:href>{call.resource.href}</D:href><D:propstat>{stat}</D:propstat></D:response>"


def _bulk_requests(view: View, resource: CollectionResource) -> str:
    settings = view.engine.config.dav
    limits = (
        f"<x:max-resources>{settings.bulk_resources}</x:max-resources>"
        f"<x:max-bytes>{settings.request_size}</x:max-bytes>"
    )
    return element(BULK_REQUESTS, f"<x:simple>{limits}</x:simple><x:crud>{limits}</x:crud>")


FEATURE = Feature(
    methods=(Method("POST", SHAPES, handle_bulk),),
    properties=(Property(BULK_REQUESTS, SHAPES, _bulk_requests),),
)
