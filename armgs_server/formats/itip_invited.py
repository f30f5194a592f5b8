# SPDX-License-Identifier: Apache-2.0
"""Who is invited to what of an organiser's object."""

from __future__ import annotations

from armgs_server.formats.icalendar import CalendarObject, Component
from armgs_server.formats.itip import Who, fingerprint, identity, is_server, parameter, shared
from armgs_server.formats.itip_instance import exclude

Mark = tuple[int | None, frozenset[object]]
Places = tuple[int, ...]  # the members of an object that somebody is invited to


class Invited:
    """Who is invited to which members of an object, and what each of them gets to see."""

    def __init__(self, found: CalendarObject, organizer: str, who: Who) -> None:
        self.found = found
        self.who = who
        self.places: dict[str, Places] = {}
        self.forced: set[str] = set()
        self._answered: dict[str, set[int | None]] = {}
        self._views: dict[Places, list[Component]] = {}
        self._marks: dict[Places, frozenset[Mark]] = {}
        for index, member in enumerate(found.members):
            for line in member.all("ATTENDEE"):
                key = who(line[2])
                if key == organizer or not is_server(line):
                    continue
                self.places[key] = (*self.places.get(key, ()), index)
                if parameter(line, "PARTSTAT").upper() not in ("", "NEEDS-ACTION"):
                    self._answered.setdefault(key, set()).add(identity(found, member))
                if parameter(line, "SCHEDULE-FORCE-SEND").upper() == "REQUEST":  # RFC 6638 §7.2
                    self.forced.add(key)

    def view(self, places: Places) -> list[Component]:
        """The members somebody gets; instances of the master that leave it out are excluded there."""
        known = self._views.get(places)
        if known is not None:
            return known
        found, made = self.found, []
        for index in sorted(set(places)):
            part = shared(found.members[index])
            if found.members[index] is found.master:
                for moment in sorted(self.left_out(places)):
                    part = exclude(found, part, moment)
            made.append(part)
        self._views[places] = made
        return made

    def left_out(self, places: Places) -> frozenset[int]:
        """The instances that somebody is not invited to, of a series that it is invited to."""
        members = self.found.members
        if all(members[index] is not self.found.master for index in places):
            return frozenset()
        others = (member for index, member in enumerate(members) if index not in places)
        return frozenset(moment for each in others if (moment := identity(self.found, each)) is not None)

    def marks(self, places: Places) -> frozenset[Mark]:
        """The fingerprints of the members somebody is invited to, each with whose instance it is."""
        known = self._marks.get(places)
        if known is None:
            members = (shared(self.found.members[index]) for index in places)
            known = frozenset(
                (identity(self.found, part), fingerprint(self.found, part, self.who)) for part in members
            )
            self._marks[places] = known
        return known

    def answered(self, key: str) -> frozenset[int | None]:
        """The members that somebody has answered, by whose instance they are."""
        return frozenset(self._answered.get(key, ()))

    def is_cancelled(self, places: Places) -> bool:
        return all(part.value("STATUS") == "CANCELLED" for part in self.view(places))
