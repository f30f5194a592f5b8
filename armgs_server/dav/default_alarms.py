# SPDX-License-Identifier: Apache-2.0
"""Default alarms and component sets: what Apple's clients keep on calendars and their homes, and ask of them.

Four properties of Calendar Server (default-alarm-vevent-datetime, …-date, the same for tasks) hold the
alarms that a client gives to new events, so that all of somebody's devices do alike. The server keeps them,
proved to be alarms; it adds none by itself.
"""

from armgs_server.dav.caldav_properties import caldav
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Property, Shape
from armgs_server.dav.resources import HomeResource
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, text_of
from armgs_server.errors import Invalid
from armgs_server.formats.contentline import scan
from armgs_server.formats.icalendar import Malformed, parse

NAMES = tuple(
    f"default-alarm-{component}-{value}"
    for component in ("vevent", "vtodo")
    for value in ("datetime", "date")
)
MAX_ALARMS = 16 * 1024  # characters
# Each may be a calendar of its own, or all of them one.
COMPONENT_SETS = (("VEVENT",), ("VTODO",), ("VJOURNAL",), ("VEVENT", "VTODO", "VJOURNAL"))


async def _confirm_alarms(call: Call, given: Element) -> None:
    """VALARM components and nothing else; empty for none."""
    text = text_of(given).strip()
    if text and (len(text) > MAX_ALARMS or not is_alarms(text)):
        raise DavError(403, "VALARM components expected.", condition=caldav("valid-calendar-data"))


def is_alarms(text: str) -> bool:
    """Whether a text is made of VALARM components alone."""
    try:
        alarms = parse(scan(text.encode()))
    except (Malformed, Invalid, UnicodeEncodeError):
        return False
    return all(each.name == "VALARM" for each in alarms)


def _component_sets(view: View, resource: HomeResource) -> str | None:
    if resource.home != "calendars":
        return None
    sets = "".join(
        "<C:supported-calendar-component-set>"
        + "".join(f'<C:comp name="{name}"/>' for name in names)
        + "</C:supported-calendar-component-set>"
        for names in COMPONENT_SETS
    )
    return f"<C:supported-calendar-component-sets>{sets}</C:supported-calendar-component-sets>"


FEATURE = Feature(
    properties=(
        *(
            Property(
                caldav(name),
                Shape.CALENDAR | Shape.HOME,
                lambda view, resource: None,
                stored=True,
                confirm=_confirm_alarms,
            )
            for name in NAMES
        ),
        Property(caldav("supported-calendar-component-sets"), Shape.HOME, _component_sets),
    ),
)
