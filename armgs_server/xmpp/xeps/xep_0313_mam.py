# SPDX-License-Identifier: Apache-2.0
"""XEP-0313: Message Archive Management, urn:xmpp:mam:2 with its extended part; XEP-0431 full-text search.

`answer` serves any archive by its owner's id, so rooms use it too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lxml import etree

from armgs_server.errors import NotFound
from armgs_server.formats.xmltree import quote
from armgs_server.storage import archive
from armgs_server.storage.archive import ArchivedMessage, ArchiveQuery, Page
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.iq import ACCOUNT, Query, Route
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.stanza import StanzaError, element, text_element
from armgs_server.xmpp.xeps import xep_0059_rsm as rsm
from armgs_server.xmpp.xeps.xep_0160_offline import DELAY, timestamp
from armgs_server.xmpp.xeps.xep_0280_carbons import FORWARD

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

NAMESPACE = "urn:xmpp:mam:2"
EXTENDED = "urn:xmpp:mam:2#extended"
FEATURES = ()
ACCOUNT_FEATURES = (NAMESPACE, EXTENDED)
DATA = "jabber:x:data"
_MAX_IDS = 250
_FIELDS = (
    ("with", "jid-single"),
    ("start", "text-single"),
    ("end", "text-single"),
    ("before-id", "text-single"),
    ("after-id", "text-single"),
    ("ids", "list-multi"),
)


async def answer(
    server: Server, owner: int, query: etree._Element, *, by: str, to: str, send: Callable[[bytes], None]
) -> bytes:
    """Sends the page of results from `by` to `to`; the `<fin/>` for the IQ result (§4)."""
    page_request = rsm.parse_set(query, server.config.xmpp.archive_page)
    selection = _selection(query, page_request)
    wants_count = page_request.max == 0

    async def work(tx: Tx) -> tuple[Page, int | None]:
        await _check_ids(tx, owner, selection)
        if wants_count:
            found = await archive.count(tx, owner, selection)
            return Page((), found == 0), found
        return await archive.page(tx, owner, selection), None

    try:
        if selection.before is None:
            page, count = await server.store.read(work)
        else:
            # What lies before an id that is there is all there: ids are in the order of commits. A page of
            # the past may show for some seconds what has been retracted since.
            page, count = await server.store.read_aside(work)
    except NotFound as error:
        raise StanzaError("item-not-found", "no such id in this archive") from error
    messages = list(page.messages)
    if query.find(f"{{{NAMESPACE}}}flip-page") is not None:  # §4.1.4: extended
        messages.reverse()
    write = _result_writer(query.get("queryid") or "", by, to)
    for message in messages:
        send(write(message))
    first, last = (str(messages[0].id), str(messages[-1].id)) if messages else ("", "")
    attributes = {"xmlns": NAMESPACE, "complete": "true" if page.complete else ""}
    return element("fin", attributes, rsm.serialise_set(first, last, count))


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


def _selection(query: etree._Element, page: rsm.PageRequest) -> ArchiveQuery:
    """§4.1: the form, and RSM's bounds."""
    fields = _fields(query)
    peer = fields.get("with", [""])[0]
    bounds = {
        "after": [_id(text) for text in fields.get("after-id", [])],
        "before": [_id(text) for text in fields.get("before-id", [])],
    }
    if page.after is not None:
        bounds["after"].append(_id(page.after))
    if page.before:
        bounds["before"].append(_id(page.before))
    ids = tuple(_id(text) for text in fields.get("ids", []))
    if len(ids) > _MAX_IDS:
        raise StanzaError("resource-constraint", "too many ids")
    return ArchiveQuery(
        peer=parse(peer).bare if peer else "",
        start=_time(fields["start"][0]) if "start" in fields else None,
        end=_time(fields["end"][0]) if "end" in fields else None,
        after=max(bounds["after"], default=None),
        before=min(bounds["before"], default=None),
        ids=ids,
        backwards=page.before is not None,
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
    if not text.isascii() or not text.isdecimal() or len(text) > 19:
        raise StanzaError("item-not-found", "no such id in this archive")
    return int(text)


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
    fields += b"".join(element("field", {"type": type_, "var": name}) for name, type_ in _FIELDS)
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
