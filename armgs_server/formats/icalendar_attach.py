# SPDX-License-Identifier: Apache-2.0
"""Managed attachments inside a calendar object (RFC 8607 §3): ATTACH properties with a MANAGED-ID. Pure.

An object is never changed in place. Where a change is for single instances that the object does not
override yet, it gets overrides that are as the master has them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC

from armgs_server.errors import Invalid
from armgs_server.formats.contentline import ContentLine, unfold
from armgs_server.formats.icalendar import CalendarObject, Component
from armgs_server.formats.icalendar_values import parse_local, to_micros
from armgs_server.formats.itip import identity, parameter, replaced
from armgs_server.formats.itip_instance import derive

MASTER = "M"
MAX_INSTANCES = 100  # instances that one request may name: each may become an override
Instances = Collection[int | None]  # None is the master
_Change = Callable[[Component], Component]


def attach(url: str, *, managed_id: str, filename: str, content_type: str, size: int) -> ContentLine:
    """The ATTACH property of a managed attachment (§4)."""
    return (
        "ATTACH",
        f";FMTTYPE={_parameter_value(content_type)};FILENAME={_parameter_value(filename)}"
        f";SIZE={size};MANAGED-ID={managed_id}",
        url,
    )


def _parameter_value(text: str) -> str:
    """RFC 6868 §3.1, in quotes where it must be (RFC 5545 §3.2)."""
    value = text.replace("^", "^^").replace("\n", "^n").replace('"', "^'")
    return f'"{value}"' if any(character in value for character in ":;,") else value


def managed_id(line: ContentLine) -> str:
    """The MANAGED-ID of a property, '' where it has none."""
    return parameter(line, "MANAGED-ID") if line[0] == "ATTACH" else ""


def managed_ids(found: CalendarObject) -> set[str]:
    """All managed attachments of an object."""
    ids = {managed_id(line) for member in found.members for line in member.properties}
    return ids - {""}


def is_named(data: bytes, id_: str) -> bool:
    """Whether stored bytes name an attachment; an answer that costs no parsing."""
    try:
        return f"MANAGED-ID={id_}" in unfold(data)
    except Invalid:
        return False


def without_managed(calendar: Component) -> Component:
    """The same for somebody who cannot read them: a mail goes out without them."""
    parts = [
        _with(part, [line for line in part.properties if not managed_id(line)])
        for part in calendar.components
    ]
    return Component(calendar.name, calendar.begin, calendar.properties, parts)


def parse_instances(found: CalendarObject, text: str) -> list[int | None]:
    """A `rid` parameter (§3.3.2): "M" or the RECURRENCE-ID of instances, between commas. Invalid."""
    wanted: list[int | None] = []
    for value in text.split(",", MAX_INSTANCES + 1):
        if len(wanted) == MAX_INSTANCES:
            raise Invalid("too many instances")
        try:
            wanted.append(None if value == MASTER else _moment(found, value))
        except (ValueError, OverflowError) as error:
            raise Invalid(f"no recurrence identifier: {value[:40]!r}") from error
    if not found.is_recurring or (None in wanted and found.master is None):
        raise Invalid("the object has no such instances")
    return wanted


def _moment(found: CalendarObject, value: str) -> int:
    local = parse_local(value)
    line = (found.master or found.overrides[0]).first("DTSTART") or ("DTSTART", "", value)
    zone = UTC if value[-1] in "Zz" or len(value) == 8 else found.moment(line).zone
    return to_micros(local, zone)


def add(found: CalendarObject, line: ContentLine, instances: Instances | None = None) -> CalendarObject:
    """§3.4: to every member, or to some instances; Invalid where there is no such instance."""
    return _changed(found, instances, lambda member: _with(member, [*member.properties, line]))


def update(found: CalendarObject, id_: str, line: ContentLine) -> CalendarObject:
    """§3.5: wherever the attachment is."""
    return _changed(
        found,
        None,
        lambda member: _with(
            member, [line if managed_id(each) == id_ else each for each in member.properties]
        ),
    )


def remove(found: CalendarObject, id_: str, instances: Instances | None = None) -> CalendarObject:
    """§3.6: from every member, or from some instances; Invalid where one of them does not have it."""

    def removed(member: Component) -> Component:
        kept = [each for each in member.properties if managed_id(each) != id_]
        if instances is not None and len(kept) == len(member.properties):
            raise Invalid("an instance does not have the attachment")
        return _with(member, kept)

    return _changed(found, instances, removed)


def _with(member: Component, properties: Sequence[ContentLine]) -> Component:
    return Component(member.name, member.begin, list(properties), member.components)


def _changed(found: CalendarObject, instances: Instances | None, change: _Change) -> CalendarObject:
    if instances is None:
        return replaced(found, [change(member) for member in found.members])
    present = {identity(found, member): member for member in found.members}
    members = [change(member) if identity(found, member) in instances else member for member in found.members]
    for moment in instances:
        if moment in present:
            continue
        made = derive(found, moment) if moment is not None else None
        if made is None:
            raise Invalid("the object has no such instance")
        members.append(change(made))
    return replaced(found, members)
