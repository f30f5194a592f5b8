# SPDX-License-Identifier: Apache-2.0
"""POST to an outbox (RFC 6638 §5): when people, the members of a group, and rooms are free."""

from __future__ import annotations

from armgs_server.dav.caldav_data import utc_text
from armgs_server.dav.caldav_freebusy import MAX_RANGE, Period, availabilities, busy_periods, merge_periods
from armgs_server.dav.caldav_properties import caldav
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.filters import TimeRange
from armgs_server.dav.multistatus import document
from armgs_server.dav.names import escape, href
from armgs_server.dav.paths import quote
from armgs_server.dav.resources import CollectionResource
from armgs_server.dav.scheduling_rights import may
from armgs_server.dav.scheduling_users import SCHEDULED, Users
from armgs_server.directory.access import Rights
from armgs_server.directory.model import Principal
from armgs_server.errors import Invalid
from armgs_server.formats.availability import unavailable
from armgs_server.formats.contentline import ContentLine, serialise
from armgs_server.formats.icalendar import CalendarObject, Malformed
from armgs_server.formats.imip import read_message
from armgs_server.formats.itip import PRODID, bare
from armgs_server.net.http import Response
from armgs_server.storage import clock, collections, scheduling
from armgs_server.storage.tx import Tx

MAX_MEMBERS = 100  # of a group whose times are put together


async def handle_post(call: Call) -> Response:
    """200 with a schedule-response for each attendee."""
    outbox = call.require(call.resource, Rights.LOOKUP)
    if Rights.POST not in outbox.rights:  # §6.2.4
        raise DavError(
            403,
            condition="{DAV:}need-privileges",
            content=f"<D:resource>{href(outbox.href)}"
            "<D:privilege><C:schedule-send-freebusy/></D:privilege></D:resource>",
        )
    if (call.header("content-type") or "").partition(";")[0].strip().lower() != "text/calendar":
        raise DavError(403, condition=caldav("supported-calendar-data"))
    found = _parse(await call.request.read(call.engine.config.dav.calendar_size))
    asked = found.members[0]
    users = Users(call.engine.directory)
    await users.learn(found)
    organizer = asked.first("ORGANIZER")
    attendees = asked.all("ATTENDEE")
    owner = await call.engine.directory.by_id(outbox.collection.owner)
    if organizer is None or not attendees or owner is None or users.who(organizer[2]) != owner.address:
        raise DavError(
            403, condition=caldav("organizer-allowed" if organizer else "valid-scheduling-message")
        )
    if len(attendees) > call.engine.config.dav.attendees:
        raise DavError(403, condition=caldav("max-attendees-per-instance"))
    wanted = _range(found)
    answers = []
    for line in attendees:
        principal = users.principal(users.who(line[2]))
        if principal is None or principal.disabled or principal.kind not in (*SCHEDULED, "group"):
            answers.append(_answer(line[2], "3.7;Invalid calendar user"))
            continue
        if not await _may_ask(call, owner, principal):
            answers.append(_answer(line[2], "3.8;No authority"))
            continue
        periods = await _periods(call, owner, principal, wanted)
        data = _serialise(found, line, wanted, merge_periods(periods))
        answers.append(_answer(line[2], "2.0;Success", data))
    return document("C:schedule-response", "".join(answers))


async def _may_ask(call: Call, asker: Principal, asked: Principal) -> bool:
    """§6.1.4; of a group those who let themselves be asked count."""
    grantees = await call.engine.directory.groups_of(asker)

    async def work(tx: Tx) -> bool:
        inbox = await collections.by_role(tx, asked.id, scheduling.INBOX, "default")
        return inbox is None or await may(tx, inbox, grantees, Rights.QUERY_FREE_BUSY)

    return asker.id == asked.id or await call.engine.store.read(work)


def _parse(data: bytes) -> CalendarObject:
    try:
        method, found = read_message(data)
    except Invalid as error:
        raise DavError(403, error.text, condition=caldav("valid-calendar-data")) from error
    if method != "REQUEST" or found.kind != "VFREEBUSY" or len(found.members) != 1:
        raise DavError(403, condition=caldav("valid-scheduling-message"))
    return found


def _range(found: CalendarObject) -> TimeRange:
    first, last = found.members[0].first("DTSTART"), found.members[0].first("DTEND")
    if first is None or last is None:
        raise DavError(403, condition=caldav("valid-scheduling-message"))
    try:
        start, end = found.moment(first).micros, found.moment(last).micros
    except Malformed as error:
        raise DavError(403, str(error), condition=caldav("valid-calendar-data")) from error
    if not 0 < end - start <= MAX_RANGE:
        raise DavError(403, condition=caldav("valid-scheduling-message"))
    return TimeRange(start, end)


async def _periods(call: Call, asker: Principal, principal: Principal, wanted: TimeRange) -> list[Period]:
    """When somebody is busy, or anybody of a group."""
    if principal.kind == "group":
        members = (await call.engine.directory.members(principal))[:MAX_MEMBERS]
        willing = [each for each in members if await _may_ask(call, asker, each)]
        return [period for each in willing for period in await _periods(call, asker, each, wanted)]
    calendars = await call.engine.store.read(lambda tx: collections.children(tx, principal.id, 0, "calendar"))
    kind = call.engine.tables.kinds["calendar"]
    periods: list[Period] = []
    said: list[str] = []  # of when the person is there at all (RFC 7953 §5)
    for calendar in calendars:
        if calendar.data.get("transp") == "transparent":  # §9.1
            continue
        place = f"/dav/calendars/{quote(principal.address)}/{quote(calendar.name)}/"
        parent = CollectionResource(kind.shape, place, (calendar,), kind, Rights.READ)
        periods += await busy_periods(call.engine, parent, wanted)
        said += await availabilities(call.engine, parent)
    inbox = await call.engine.store.read(
        lambda tx: collections.by_role(tx, principal.id, scheduling.INBOX, "default")
    )
    text = inbox.data.get("availability") if inbox is not None else None
    if text:  # RFC 7953 §7.2.4
        said.append(str(text))
    return periods + unavailable(said, wanted.start, wanted.end)


def _serialise(
    found: CalendarObject, attendee: ContentLine, wanted: TimeRange, periods: list[Period]
) -> bytes:
    """The VFREEBUSY of a REPLY (RFC 5546 §3.3.3)."""
    asked = found.members[0]
    organizer = asked.first("ORGANIZER")
    assert organizer is not None  # checked before
    lines: list[ContentLine] = [
        ("BEGIN", "", "VCALENDAR"),
        ("VERSION", "", "2.0"),
        ("PRODID", "", PRODID),
        ("METHOD", "", "REPLY"),
        ("BEGIN", "", "VFREEBUSY"),
        ("UID", "", found.uid),
        ("DTSTAMP", "", utc_text(clock.now())),
        ("DTSTART", "", utc_text(wanted.start)),
        ("DTEND", "", utc_text(wanted.end)),
        bare(organizer),
        bare(attendee),
    ]
    for start, end, kind in periods:
        lines.append(("FREEBUSY", f";FBTYPE={kind}", f"{utc_text(start)}/{utc_text(end)}"))
    lines += [("END", "", "VFREEBUSY"), ("END", "", "VCALENDAR")]
    return serialise(lines)


def _answer(address: str, status: str, data: bytes = b"") -> str:
    text = f"<C:calendar-data>{escape(data.decode())}</C:calendar-data>" if data else ""
    return (
        f"<C:response><C:recipient>{href(escape(address))}</C:recipient>"
        f"<C:request-status>{escape(status)}</C:request-status>{text}</C:response>"
    )
