# SPDX-License-Identifier: Apache-2.0
"""XEP-0313: Message Archive Management, urn:xmpp:mam:2 with its extended part; XEP-0431 full-text search.

`answer` serves any archive by its owner's id, so rooms use it too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lxml import etree

from armgs_server.errors import NotFound
from armgs_server.formats.xmltree import quote
from armgs_server.storage import archive, fulltext
from armgs_server.storage.archive import ArchivedMessage, ArchiveQuery, Page
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.iq import ACCOUNT, Query, Route
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.numbers import whole
from armgs_server.xmpp.stanza import StanzaError, element, text_element
from armgs_server.xmpp.xeps import xep_0059_rsm as rsm
from armgs_server.xmpp.xeps import xep_0431_search
from armgs_server.xmpp.xeps.xep_0160_offline import DELAY, timestamp
from armgs_server.xmpp.xeps.xep_0280_carbons import FORWARD

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

NAMESPACE = "urn:xmpp:mam:2"
EXTENDED = "urn:xmpp:mam:2#extended"
FEATURES = ()
ACCOUNT_FEATURES = (NAMESPACE, EXTENDED, xep_0431_search.NAMESPACE)
DATA = "jabber:x:data"
_MAX_IDS = 250
_COUNTED = 300  # results of no more than this are counted
_FIELDS = (
    ("with", "jid-single"),
    ("start", "text-single"),
    ("end", "text-single"),
    ("before-id", "text-single"),
    ("after-id", "text-single"),
    ("ids", "list-multi"),
    (xep_0431_search.FIELD, "text-single"),
)
_OPEN = element(  # §4.1.5, XEP-0122 §3.2.2: any ids, not one of a list
    "validate",
    {"xmlns": "http://jabber.org/protocol/xdata-validate", "datatype": "xs:string"},
    element("open"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A page, with the size of the whole result and the page's place in it where they are known."""

    page: Page
    count: int | None = None
    index: int | None = None


async def answer(
    server: Server, owner: int, query: etree._Element, *, by: str, to: str, send: Callable[[bytes], None]
) -> bytes:
    """Sends the page of results from `by` to `to`; the `<fin/>` for the IQ result (§4)."""
    page_request = rsm.parse_set(query, server.config.xmpp.archive_page, by_index=True)
    whole = selection(query, room="" if parse(to).bare == by else by)
    if whole.terms is not None:
        await xep_0431_search.prepare(server, owner, whole.terms)
    found = await _find(server, owner, whole, page_request)
    messages = list(found.page.messages)
    index = found.index
    if query.find(f"{{{NAMESPACE}}}flip-page") is not None:  # §4.3.3: only the order within the page
        messages.reverse()
        index = None
    write = _result_writer(query.get("queryid") or "", by, to)
    for message in messages:
        send(write(message))
    first, last = (str(messages[0].id), str(messages[-1].id)) if messages else ("", "")
    # §6.3: ids never change, and a message that is here stays, or leaves a tombstone: the result is stable.
    attributes = {"xmlns": NAMESPACE, "complete": "true" if found.page.complete else ""}
    return element("fin", attributes, rsm.serialise_set(first, last, found.count, index))


async def _find(server: Server, owner: int, whole: ArchiveQuery, asked: rsm.PageRequest) -> Found:
    """One page of the whole selection."""
    wanted = _bounded(whole, asked)

    async def work(tx: Tx) -> Found:
        await _check_ids(tx, owner, wanted)
        if asked.max == 0:  # XEP-0059 §2.7: only the number is wanted
            count = await archive.count(tx, owner, whole)
            return Found(Page((), count == 0), count)
        page = await archive.page(tx, owner, wanted)
        return await _placed(tx, owner, whole, page)

    try:
        if wanted.before is None:
            return await server.store.read(work)
        # What lies before an id that is there is all there: ids are in the order of commits. A page of
        # the past may show for some seconds what has been retracted since.
        return await server.store.read_aside(work)
    except NotFound as error:
        raise StanzaError("item-not-found", "no such id in this archive") from error


async def _placed(tx: Tx, owner: int, whole: ArchiveQuery, page: Page) -> Found:
    """XEP-0059 §2.1: count and index may be left out where they would be dear to find out."""
    count = await archive.count(tx, owner, whole, _COUNTED + 1)
    if count > _COUNTED:
        return Found(page)
    if not page.messages:
        return Found(page, count)
    before = min(page.messages[0].id, whole.before or page.messages[0].id)
    return Found(page, count, await archive.count(tx, owner, replace(whole, before=before)))


def _result_writer(query_id: str, by: str, to: str) -> Callable[[ArchivedMessage], bytes]:
    """Writes the messages of one answer, in which but for the id and the time all is the same."""
    named = f" queryid='{quote(query_id)}'" if query_id else ""
    start = f"<message from='{quote(by)}' to='{quote(to)}'><result xmlns='{NAMESPACE}'{named} id='".encode()
    middle = f"'><forwarded xmlns='{FORWARD}'><delay xmlns='{DELAY}' stamp='".encode()

    def write(message: ArchivedMessage) -> bytes:
        return b"%b%d%b%b'/>%b</forwarded></result></message>" % (
            start,
            message.id,
            middle,
            timestamp(message.sent).encode(),
            message.stanza,
        )

    return write


def selection(query: etree._Element, *, room: str = "") -> ArchiveQuery:
    """§4.1: what the form selects, in the archive of a person or of that room."""
    fields = _fields(query)
    ids = tuple(_id(text) for text in fields.get("ids", []))
    if len(ids) > _MAX_IDS:
        raise StanzaError("resource-constraint", "too many ids")
    peer, resource = _with(fields.get("with", [""])[0], room)
    text = fields.get(xep_0431_search.FIELD, [""])[0]
    return ArchiveQuery(
        peer=peer,
        resource=resource,
        start=_time(fields["start"][0]) if "start" in fields else None,
        end=_time(fields["end"][0]) if "end" in fields else None,
        after=max((_id(text) for text in fields.get("after-id", [])), default=None),
        before=min((_id(text) for text in fields.get("before-id", [])), default=None),
        ids=ids,
        terms=fulltext.parse_query(text) if text else None,
    )


def _with(text: str, room: str) -> tuple[str, str]:
    """§4.1.1: a full JID means that resource; in a room, the occupant of that nick."""
    if not text:
        return "", ""
    jid = parse(text)
    if room and jid.bare == room:
        return jid.resource, ""
    return jid.bare, "" if room else jid.resource


def _bounded(whole: ArchiveQuery, page: rsm.PageRequest) -> ArchiveQuery:
    """The part of it that RSM's bounds leave."""
    after = [
        id_ for id_ in (whole.after, _id(page.after) if page.after is not None else None) if id_ is not None
    ]
    before = [id_ for id_ in (whole.before, _id(page.before) if page.before else None) if id_ is not None]
    return replace(
        whole,
        after=max(after, default=None),
        before=min(before, default=None),
        backwards=page.before is not None,
        offset=page.index or 0,
        limit=page.max,
    )


def _fields(query: etree._Element) -> dict[str, list[str]]:
    form = query.find(f"{{{DATA}}}x")
    if form is None:
        return {}
    fields: dict[str, list[str]] = {}
    for field in form.iterfind(f"{{{DATA}}}field"):
        values = [value.text or "" for value in field.iterfind(f"{{{DATA}}}value")]
        if values:
            fields[field.get("var") or ""] = values
    if fields.pop("FORM_TYPE", [NAMESPACE]) != [NAMESPACE]:
        raise StanzaError("bad-request", "a form of another type")
    unknown = set(fields) - {name for name, _ in _FIELDS}
    if unknown:  # §4.1.5: a filter that is not understood must not be passed over
        raise StanzaError("feature-not-implemented", f"no filter {min(unknown)}")
    return fields


def _id(text: str) -> int:
    number = whole(text)
    if number is None:
        raise StanzaError("item-not-found", "no such id in this archive")
    return number


def _time(text: str) -> int:
    """XEP-0082 DateTime, in UTC or with an offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise StanzaError("bad-request", "not a XEP-0082 time") from error
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(int(moment.timestamp() * 1_000_000), 0)


async def _check_ids(tx: Tx, owner: int, selection: ArchiveQuery) -> None:
    """§4.1.3, §4.3: an id that is not in the archive is an error, not an empty page."""
    named = [id_ for id_ in (selection.after, selection.before, *selection.ids) if id_ is not None]
    if named and not await archive.contains(tx, owner, named):
        raise NotFound()


async def handle_form(query: Query) -> bytes:
    return form()


def form() -> bytes:
    """§4.1.6: which filters there are."""
    fields = element("field", {"type": "hidden", "var": "FORM_TYPE"}, text_element("value", NAMESPACE))
    fields += b"".join(
        element("field", {"type": type_, "var": name}, _OPEN if name == "ids" else b"")
        for name, type_ in _FIELDS
    )
    return element("query", {"xmlns": NAMESPACE}, element("x", {"xmlns": DATA, "type": "form"}, fields))


async def handle_query(query: Query) -> bytes:
    session = query.session
    return await answer(
        query.server,
        query.owner,
        query.payload,
        by=session.account.bare,
        to=session.jid.full,
        send=session.send,
    )


async def handle_metadata(query: Query) -> bytes:
    """§5: the ends of the archive."""
    owner = query.owner
    return metadata(await query.server.store.read(lambda tx: archive.bounds(tx, owner)))


def metadata(bounds: tuple[ArchivedMessage, ArchivedMessage] | None) -> bytes:
    inner = b""
    if bounds is not None:
        for name, message in zip(("start", "end"), bounds, strict=True):
            inner += element(name, {"id": str(message.id), "timestamp": timestamp(message.sent)})
    return element("metadata", {"xmlns": NAMESPACE}, inner)


ROUTES = (
    Route("get", NAMESPACE, "query", ACCOUNT, handle_form),
    Route("set", NAMESPACE, "query", ACCOUNT, handle_query),
    Route("get", NAMESPACE, "metadata", ACCOUNT, handle_metadata),
)
