# SPDX-License-Identifier: Apache-2.0
"""CalDAV scheduling (RFC 6638): inbox and outbox, and the properties that tell of them.

What a write brings about is in `scheduling_implicit`; `calendar-availability` is RFC 7953 §7.2.4.
"""

from collections.abc import Sequence
from typing import Any

from armgs_server.dav.caldav_properties import MAX_TIMEZONE, WITH_HOME, caldav
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Kind, Method, Property, Put, Shape
from armgs_server.dav.names import dav, element, href, text_element
from armgs_server.dav.paths import parse_href, quote
from armgs_server.dav.resources import CollectionResource, MemberResource, PrincipalResource, Resource
from armgs_server.dav.scheduling_freebusy import handle_post
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, text_of
from armgs_server.errors import Invalid, NotFound
from armgs_server.formats.availability import parse_availability
from armgs_server.storage import scheduling

DEFAULT_CALENDAR = caldav("schedule-default-calendar-URL")
AVAILABILITY = caldav("calendar-availability")
TYPES = {"person": "INDIVIDUAL", "group": "GROUP", "room": "ROOM", "equipment": "RESOURCE"}


async def _refuse(put: Put) -> None:
    """Messages are put here by the server alone (RFC 6638 §2.2)."""
    raise DavError(403, "Clients store nothing here.", condition=caldav("supported-calendar-component"))


def _kind(name: str, shape: Shape) -> Kind:
    return Kind(
        name=name,
        home="calendars",
        shape=shape,
        member=Shape.EVENT,
        types=(dav("collection"), caldav(name)),
        content_type="text/calendar; charset=utf-8",
        size_limit=lambda config: config.dav.calendar_size,
        too_large=caldav("max-resource-size"),
        check=_refuse,
        provisioned=True,
    )


def _home_url(name: str, below: str) -> Any:
    def render(view: View, resource: PrincipalResource) -> str | None:
        principal = resource.principal
        if principal.kind not in WITH_HOME or not principal.address:
            return None
        return element(caldav(name), href(f"/dav/calendars/{quote(principal.address)}/{below}/"))

    return render


def _user_type(view: View, resource: PrincipalResource) -> str:
    return text_element(caldav("calendar-user-type"), TYPES.get(resource.principal.kind, "UNKNOWN"))


def _transp(view: View, resource: CollectionResource) -> str:
    value = resource.collection.data.get("transp", "opaque")
    return f"<C:schedule-calendar-transp><C:{value}/></C:schedule-calendar-transp>"


def _change_transp(data: dict[str, Any], given: Element | None) -> None:
    if given is None:
        data.pop("transp", None)
    elif given.find(caldav("transparent")) is not None:
        data["transp"] = "transparent"
    elif given.find(caldav("opaque")) is not None:
        data["transp"] = "opaque"
    else:
        raise DavError(403, "C:opaque or C:transparent expected.")


def _tag(view: View, resource: MemberResource) -> str | None:
    tag = resource.item.keywords
    return f'<C:schedule-tag>"{tag}"</C:schedule-tag>' if tag else None


async def _prepare_default(view: View, resources: Sequence[Resource]) -> None:
    known: dict[int, str] = view.cache.setdefault(DEFAULT_CALENDAR, {})
    for resource in resources:
        if isinstance(resource, CollectionResource) and resource.shape is Shape.INBOX:
            owner = resource.collection.owner
            calendar = await view.engine.store.read(
                lambda tx, owner=owner: scheduling.default_calendar(tx, owner, "VEVENT")  # type: ignore[misc]
            )
            home = resource.href.rstrip("/").rpartition("/")[0]
            known[owner] = href(f"{home}/{quote(calendar.name)}/") if calendar is not None else ""


def _default(view: View, resource: CollectionResource) -> str:
    return element(DEFAULT_CALENDAR, view.cache[DEFAULT_CALENDAR][resource.collection.owner])


async def _confirm_default(call: Call, given: Element) -> None:
    """§9.2: valid-schedule-default-calendar-URL."""
    try:
        resource = await call.engine.locate(call.person, _target(given))
    except (DavError, NotFound):
        resource = None
    assert isinstance(call.resource, CollectionResource)
    if (
        not isinstance(resource, CollectionResource)
        or resource.collection.kind != "calendar"
        or resource.collection.owner != call.resource.collection.owner
    ):
        raise DavError(403, condition=caldav("valid-schedule-default-calendar-URL"))


def _target(given: Element) -> tuple[str, ...]:
    return parse_href(text_of(given).strip()).segments


def _change_default(data: dict[str, Any], given: Element | None) -> None:
    if given is None:
        data.pop(scheduling.DEFAULT, None)
    else:
        data[scheduling.DEFAULT] = _target(given)[-1]


def _availability(view: View, resource: CollectionResource) -> str | None:
    value = resource.collection.data.get("availability")
    return None if value is None else text_element(AVAILABILITY, str(value))


def _change_availability(data: dict[str, Any], given: Element | None) -> None:
    if given is None:
        data.pop("availability", None)
        return
    text = text_of(given)
    try:
        if len(text) > MAX_TIMEZONE:
            raise Invalid("the availability is too large")
        parse_availability(text)
    except Invalid as error:
        raise DavError(403, error.text, condition=caldav("valid-calendar-data")) from error
    data["availability"] = text


FEATURE = Feature(
    compliance=("calendar-auto-schedule", "calendar-availability"),
    properties=(
        Property(caldav("schedule-inbox-URL"), Shape.PRINCIPAL, _home_url("schedule-inbox-URL", "inbox")),
        Property(caldav("schedule-outbox-URL"), Shape.PRINCIPAL, _home_url("schedule-outbox-URL", "outbox")),
        Property(caldav("calendar-user-type"), Shape.PRINCIPAL, _user_type),
        Property(caldav("schedule-calendar-transp"), Shape.CALENDAR, _transp, change=_change_transp),
        Property(caldav("schedule-tag"), Shape.EVENT, _tag, pure=True),
        Property(
            DEFAULT_CALENDAR,
            Shape.INBOX,
            _default,
            prepare=_prepare_default,
            change=_change_default,
            confirm=_confirm_default,
        ),
        Property(AVAILABILITY, Shape.INBOX, _availability, change=_change_availability),
    ),
    methods=(Method("POST", Shape.OUTBOX, handle_post),),
    kinds=(_kind(scheduling.INBOX, Shape.INBOX), _kind(scheduling.OUTBOX, Shape.OUTBOX)),
)
