# SPDX-License-Identifier: Apache-2.0
"""What somebody is no longer invited to, as a CANCEL names it (RFC 5546 §3.2.5)."""

from __future__ import annotations

from collections.abc import Iterable

from armgs_server.formats.icalendar import Component
from armgs_server.formats.itip import Message, attendee, calendar_of, identity, stamped, with_line
from armgs_server.formats.itip_instance import derive, exclusions
from armgs_server.formats.itip_invited import Invited, Places
from armgs_server.formats.itip_revision import sequence

# What stays of a cancelled member (RFC 5546 §3.2.5).
_CANCELLED = frozenset(
    ("UID", "DTSTART", "DTEND", "DUE", "DURATION", "RECURRENCE-ID", "ORGANIZER", "SUMMARY", "SEQUENCE",
     "LOCATION", "RRULE", "RDATE", "EXDATE", "EXRULE")
)  # fmt: skip
# Instances that one change may take out with a CANCEL; of more the REQUEST that follows tells.
MOST = 100


def lost(before: Invited, previous: Places, after: Invited, places: Places) -> dict[int | None, Component]:
    """The members somebody was invited to and no longer is, by their identity, as they were.

    The series itself (None) where only single instances of it are left, otherwise instances: taken out, left
    out of, or given the status CANCELLED.
    """
    earlier = {identity(before.found, part): part for part in before.view(previous)}
    later = {identity(after.found, part): part for part in after.view(places)}
    if None in earlier and None not in later:
        return {None: earlier[None]}
    excluded = exclusions(after.found, later.get(None))
    gone = {moment for moment in earlier if moment not in later and (None not in later or moment in excluded)}
    if None in earlier:
        gone |= excluded - exclusions(before.found, earlier[None])
    gone |= {moment for moment, part in later.items() if moment is not None and _is_cancelled(part)}
    if len(gone) > MOST and None in later:
        return {}
    found: dict[int | None, Component] = {}
    for moment in sorted(each for each in gone if each is not None):
        part = earlier.get(moment)
        if part is None and None in earlier:
            part = derive(before.found, moment)
        if part is not None and not _is_cancelled(part):
            found[moment] = part
    return found


def _is_cancelled(part: Component) -> bool:
    return part.value("STATUS") == "CANCELLED"


def cancel(
    before: Invited,
    parts: Iterable[Component],
    people: tuple[str, str],
    stamp: str,
    *,
    is_covered: bool = False,
) -> Message:
    """The CANCEL of some members, from and to two people."""
    organizer, key = people
    made = []
    for part in parts:
        line = attendee(part, key, before.who)
        kept = [each for each in part.properties if each[0] in _CANCELLED]
        cancelled = Component(part.name, part.begin, [*kept, *([line] if line else [])])
        # RFC 5546 §2.1.4: a cancellation is a newer revision than what it cancels.
        cancelled = with_line(cancelled, ("SEQUENCE", "", str(sequence(part) + 1)))
        made.append(stamped(with_line(cancelled, ("STATUS", "", "CANCELLED")), stamp))
    calendar = calendar_of(made, before.found.calendar, "CANCEL")
    return Message("CANCEL", organizer, key, calendar, is_covered=is_covered)
