# SPDX-License-Identifier: Apache-2.0
"""Properties of RFC 4791 §5.2 and §6.2, with calendar-color and calendar-order as Apple has them.

Settable ones are kept in the collection's `data`, so other services may show them too.
"""

from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any

from armgs_server.dav.caldav_data import NAME as CALENDAR_DATA
from armgs_server.dav.caldav_data import WHOLE, escape_data, parse_data_request, render
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Change, Property, Render, Shape
from armgs_server.dav.filters import COLLATIONS
from armgs_server.dav.member_data import load
from armgs_server.dav.names import APPLE_ICAL, CALDAV, escape, text_element
from armgs_server.dav.paths import quote
from armgs_server.dav.resources import (
    CollectionResource,
    HomeResource,
    MemberResource,
    PrincipalResource,
    Resource,
)
from armgs_server.dav.tzdist import PREFIX as SERVICE
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, text_of
from armgs_server.errors import Invalid
from armgs_server.formats import timezone_data, timezones
from armgs_server.formats.contentline import scan
from armgs_server.formats.icalendar import Malformed, parse, vtimezone
from armgs_server.storage.collections import Collection

COMPONENTS = f"{{{CALDAV}}}supported-calendar-component-set"
SERVED = ("VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY")
# What a new calendar takes when nothing is said, and what the provisioned ones are for.
UNSAID = ("VEVENT", "VTODO", "VJOURNAL")
DEFAULTS = {"calendar": ("VEVENT",), "tasks": ("VTODO",)}
WITH_HOME = ("person", "room", "equipment")
# Times are taken as far as every zone can shift them within what a date can be at all.
EARLIEST, LATEST = datetime(1, 1, 3), datetime(9999, 12, 29)
MAX_TEXT = 10_000  # characters of a description
MAX_TIMEZONE = 65_536
TIMEZONE_ID = f"{{{CALDAV}}}calendar-timezone-id"
_HEAD = "VERSION:2.0\r\nPRODID:-//armgs_server//CalDAV//EN\r\n"
MAX_TOKEN = 64  # a colour or an order


def caldav(local: str) -> str:
    """The name in CalDAV's namespace."""
    return f"{{{CALDAV}}}{local}"


def components_of(collection: Collection) -> tuple[str, ...]:
    """The component types a calendar takes (§5.2.3)."""
    given = collection.data.get("components")
    if given:
        return tuple(str(name) for name in given)
    if collection.kind == "tasks" or collection.role == "default":
        return DEFAULTS[collection.kind]
    return UNSAID


def parse_components(element: Element) -> list[str]:
    """The names of a supported-calendar-component-set; DavError for one that is not served."""
    names = [child.get("name", "").upper() for child in element.findall(caldav("comp"))]
    if not names or not set(names) <= set(SERVED):
        raise DavError(403, condition=caldav("supported-calendar-component"))
    return list(dict.fromkeys(names))


def _change_components(data: dict[str, Any], element: Element | None) -> None:
    if element is not None:
        data["components"] = parse_components(element)


def _components(view: View, resource: CollectionResource) -> str:
    comps = "".join(f'<C:comp name="{name}"/>' for name in components_of(resource.collection))
    return f"<C:supported-calendar-component-set>{comps}</C:supported-calendar-component-set>"


def _data_text(name: str, key: str) -> Render:
    def render_text(view: View, resource: CollectionResource) -> str | None:
        value = resource.collection.data.get(key)
        return None if value is None else text_element(name, str(value))

    return render_text


def _change_text(key: str, limit: int) -> Change:
    def change(data: dict[str, Any], element: Element | None) -> None:
        if element is None:
            data.pop(key, None)
            return
        text = text_of(element)
        if len(text) > limit:
            raise DavError(403, f"longer than {limit} characters")
        data[key] = text

    return change


def settable_text(
    name: str, key: str, limit: int, on: Shape = Shape.CALENDAR, *, personal: bool = False
) -> Property:
    """A property that is text kept under a key of the collection's data."""
    return Property(name, on, _data_text(name, key), change=_change_text(key, limit), personal=personal)


@lru_cache(maxsize=256)
def zone_of(text: str) -> tzinfo | None:
    """The zone that a calendar-timezone or C:timezone defines; Invalid when it defines none."""
    try:
        lines = scan(text.strip().encode())
        components = [component for top in parse(lines) for component in top.components]
    except Malformed as error:
        raise Invalid(str(error)) from error
    if [component.name for component in components] != ["VTIMEZONE"]:
        raise Invalid("exactly one VTIMEZONE and nothing else expected")  # RFC 4791 §5.2.2
    found = vtimezone(components[0]) or timezones.named(components[0].text("TZID"))
    if found is None:
        raise Invalid("the VTIMEZONE cannot be used")
    return found


def collection_zone(collection: Collection) -> tzinfo | None:
    """The zone of floating times in a calendar (§5.2.2); None for UTC."""
    text = collection.data.get("timezone")
    return zone_of(str(text)) if text else None


def parse_timezone(element: Element) -> str:
    """The text of a time zone element, proved to be one."""
    text = text_of(element)
    if len(text) > MAX_TIMEZONE:
        raise DavError(403, "the time zone is too large", condition=caldav("valid-calendar-data"))
    try:
        zone_of(text)
    except Invalid as error:
        raise DavError(403, error.text, condition=caldav("valid-calendar-data")) from error
    return text


def _change_timezone(data: dict[str, Any], element: Element | None) -> None:
    if element is None:
        data.pop("timezone", None)
    else:
        data["timezone"] = parse_timezone(element)


def zone_named(text: str) -> str:
    """The text of a time zone property for an identifier (RFC 7809 §3.1.5); DavError where it is unknown."""
    if not timezone_data.is_known(text):
        raise DavError(403, "This time zone is not known here.", condition=caldav("valid-timezone"))
    return f"BEGIN:VCALENDAR\r\n{_HEAD}{timezone_data.vtimezone(text).decode()}END:VCALENDAR\r\n"


@lru_cache(maxsize=256)
def _tzid(text: str) -> str:
    """The TZID of a time zone property."""
    (zone,) = [part for top in parse(scan(text.strip().encode())) for part in top.components][:1]
    return zone.text("TZID")


def _timezone_id(view: View, resource: CollectionResource) -> str | None:
    value = resource.collection.data.get("timezone")
    return None if value is None else text_element(TIMEZONE_ID, _tzid(str(value)))


def _change_timezone_id(data: dict[str, Any], element: Element | None) -> None:
    if element is None:
        data.pop("timezone", None)
    else:
        data["timezone"] = zone_named(text_of(element).strip())


def _timezone_services(view: View, resource: HomeResource) -> str | None:
    if resource.home != "calendars":
        return None
    return f"<C:timezone-service-set><D:href>{SERVICE}</D:href></C:timezone-service-set>"


def _constant(name: str, content: str) -> Callable[[View, Resource], str]:
    text = f"<C:{name}>{content}</C:{name}>"
    return lambda view, resource: text


def _max_size(view: View, resource: CollectionResource) -> str:
    return f"<C:max-resource-size>{view.engine.config.dav.calendar_size}</C:max-resource-size>"


def _max_attendees(view: View, resource: CollectionResource) -> str:
    limit = view.engine.config.dav.attendees
    return f"<C:max-attendees-per-instance>{limit}</C:max-attendees-per-instance>"


def _home(view: View, resource: PrincipalResource) -> str | None:
    principal = resource.principal
    if principal.kind not in WITH_HOME or not principal.address:
        return None
    url = f"/dav/calendars/{quote(principal.address)}/"
    return f"<C:calendar-home-set><D:href>{url}</D:href></C:calendar-home-set>"


def _user_addresses(view: View, resource: PrincipalResource) -> str:
    """RFC 6638 §2.4.1: who a calendar object means by an ORGANIZER or ATTENDEE."""
    mail = f"<D:href>mailto:{escape(resource.principal.address)}</D:href>"
    return (
        f"<C:calendar-user-address-set>{mail}<D:href>{resource.href}</D:href></C:calendar-user-address-set>"
    )


def _calendar_data(view: View, resource: MemberResource) -> str | None:
    data, asked = resource.data, view.cache[CALENDAR_DATA]
    if data is None:
        return None
    if asked is WHOLE and view.adapt is None:
        return f"<C:calendar-data>{escape_data(data)}</C:calendar-data>"
    zone = collection_zone(resource.parent.collection)
    return render(data, asked, zone, view.engine.config.dav.instances, view.adapt)


def utc(moment: datetime) -> str:
    """A limit as a DATE-TIME in UTC."""
    return f"{moment.year:04}{moment:%m%dT%H%M%S}Z"


_DATA_TYPE = '<C:calendar-data content-type="text/calendar" version="2.0"/>'
PROPERTIES = (
    Property(caldav("calendar-home-set"), Shape.PRINCIPAL, _home),
    Property(caldav("calendar-user-address-set"), Shape.PRINCIPAL, _user_addresses),
    settable_text(caldav("calendar-description"), "description", MAX_TEXT, personal=True),
    settable_text(f"{{{APPLE_ICAL}}}calendar-color", "color", MAX_TOKEN, personal=True),
    settable_text(f"{{{APPLE_ICAL}}}calendar-order", "order", MAX_TOKEN, personal=True),
    Property(
        caldav("calendar-timezone"),
        Shape.CALENDAR,
        _data_text(caldav("calendar-timezone"), "timezone"),
        change=_change_timezone,
    ),
    Property(TIMEZONE_ID, Shape.CALENDAR, _timezone_id, change=_change_timezone_id),
    Property(caldav("timezone-service-set"), Shape.HOME, _timezone_services),
    Property(COMPONENTS, Shape.CALENDAR, _components, change=_change_components, initial=True),
    Property(
        caldav("supported-calendar-data"), Shape.CALENDAR, _constant("supported-calendar-data", _DATA_TYPE)
    ),
    Property(
        caldav("supported-collation-set"),
        Shape.CALENDAR,
        _constant(
            "supported-collation-set",
            "".join(f"<C:supported-collation>{name}</C:supported-collation>" for name in COLLATIONS),
        ),
    ),
    Property(caldav("max-resource-size"), Shape.CALENDAR, _max_size),
    Property(caldav("min-date-time"), Shape.CALENDAR, _constant("min-date-time", utc(EARLIEST))),
    Property(caldav("max-date-time"), Shape.CALENDAR, _constant("max-date-time", utc(LATEST))),
    Property(caldav("max-attendees-per-instance"), Shape.CALENDAR, _max_attendees),
    Property(
        CALENDAR_DATA, Shape.EVENT, _calendar_data, prepare=load, parse=parse_data_request, listed=False
    ),
)
