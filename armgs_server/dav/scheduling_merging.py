# SPDX-License-Identifier: Apache-2.0
"""Scheduling messages as objects and bytes, and copies with messages in them.

An invitation to hundreds is one calendar, and so are most of their copies: what they share is made once.
"""

from __future__ import annotations

from armgs_server.dav.scheduling_desk import Copy
from armgs_server.formats import itip_copy
from armgs_server.formats.icalendar import CalendarObject, Component
from armgs_server.formats.itip import Message, Who, data_of, rebuild, without


class Merging:
    """For the messages of one change."""

    def __init__(self, who: Who) -> None:
        self._who = who
        # By the calendar of the message; it is kept, so its id stays.
        self._read: dict[int, tuple[Component, CalendarObject, bytes]] = {}
        self._merged: dict[tuple[bytes, int, frozenset[int]], tuple[CalendarObject, bool]] = {}

    def object(self, calendar: Component) -> CalendarObject:
        """A message's calendar as an object, without its METHOD."""
        return self._known(calendar)[1]

    def text(self, calendar: Component) -> bytes:
        """A message's calendar as it is sent."""
        return self._known(calendar)[2]

    def request(
        self, copy: Copy | None, message: Message, *, whole: bool
    ) -> tuple[CalendarObject, bool] | None:
        """A copy with a REQUEST in it, and whether more than answers has changed; None where all that is new
        in it was declined and taken out. `whole`: as if nothing of it were known."""
        told = self.object(message.calendar)
        if copy is None:
            return told, True
        is_part = message.changed is not None and not whole
        if message.changed is not None and is_part:
            told = self.object(message.changed)
        hidden = itip_copy.hidden(copy.object, told, message.recipient, self._who)
        if len(hidden) == len(told.members):
            return None
        place = copy.item.blob, id(told), hidden
        known = self._merged.get(place)
        if known is None:
            made = itip_copy.apply_request(copy.object, told, whole=not is_part, hidden=hidden)
            known = self._merged[place] = made, not itip_copy.is_same(copy.object, made, self._who)
        return known

    def cancelled(self, copy: Copy, message: Message) -> CalendarObject:
        """A copy with a CANCEL in it."""
        told = self.object(message.calendar)
        place = copy.item.blob, id(told), frozenset[int]()
        if place not in self._merged:
            self._merged[place] = itip_copy.apply_cancel(copy.object, told), True
        return self._merged[place][0]

    def _known(self, calendar: Component) -> tuple[Component, CalendarObject, bytes]:
        known = self._read.get(id(calendar))
        if known is None:
            known = calendar, rebuild(without(calendar, "METHOD")), data_of(calendar)
            self._read[id(calendar)] = known
        return known
