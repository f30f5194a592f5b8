# SPDX-License-Identifier: Apache-2.0
"""Sessions on their way between processes: what comes for them meanwhile is neither lost nor delivered twice.

The process that will go on with a session keeps the frames for it from before the other one lets it go; the
session brings along which frames it has seen there. Frames on `xmpp:BARE-JID` reach both processes, each
publisher's in the order of their numbers, so the number of the last one tells what is new. Frames to one
process are sent after the session by whoever still gets them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from armgs_server.xmpp.frame import CARBON, MESSAGE, Frame
from armgs_server.xmpp.jid import JID

FRAMES_LIMIT = 10_000  # for one session: it comes within seconds
DEPARTED_FOR = 60.0  # seconds in which frames may still come for a session that has left


@dataclass(frozen=True, slots=True)
class Kept:
    """One frame; `is_broadcast`: the other process got it too; `is_handled`: by the sessions already here."""

    frame: Frame
    is_broadcast: bool
    is_handled: bool


@dataclass(slots=True, eq=False)
class Arrival:
    """One session that is expected here. `done` is set when it is here, or will not come."""

    jid: JID
    number: int
    frames: list[Kept] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def unseen(self, heard: Mapping[str, int]) -> list[Frame]:
        """What the session has not got where it was; `heard` is the last number of each publisher there."""
        return [
            kept.frame
            for kept in self.frames
            if not kept.is_broadcast or kept.frame.number > heard.get(kept.frame.process, 0)
        ]


class Transit:
    """Who is expected here, and who has left for where."""

    def __init__(self) -> None:
        self._arrivals: dict[str, list[Arrival]] = {}  # by bare JID
        self._by_number: dict[int, Arrival] = {}
        self._departed: dict[str, str] = {}  # full JID → process

    # Arrivals

    def expect(self, jid: JID, number: int) -> Arrival:
        """From here on frames for the session are kept."""
        arrival = Arrival(jid, number)
        self._arrivals.setdefault(jid.bare, []).append(arrival)
        self._by_number[number] = arrival
        return arrival

    def settle(self, arrival: Arrival) -> None:
        """The session is here, or will not come."""
        arrivals = self._arrivals.get(arrival.jid.bare, [])
        if arrival in arrivals:
            arrivals.remove(arrival)
            del self._by_number[arrival.number]
            if not arrivals:
                del self._arrivals[arrival.jid.bare]
        arrival.done.set()

    def arrival(self, number: int) -> Arrival | None:
        """The session of that number, while it is expected."""
        return self._by_number.get(number)

    async def wait(self, timeout: float) -> None:
        """Returns when nobody is expected any more, or after that time (seconds)."""
        coming = [asyncio.ensure_future(each.done.wait()) for each in self._by_number.values()]
        if coming:
            _, late = await asyncio.wait(coming, timeout=timeout)
            for task in late:
                task.cancel()

    def is_expected(self, address: str) -> bool:
        """Whether sessions of the person, or the one with that full JID, are expected."""
        bare, _, resource = address.partition("/")
        return any(not resource or each.jid.resource == resource for each in self._arrivals.get(bare, ()))

    def keep(self, frame: Frame, *, is_broadcast: bool, has_receivers: bool) -> bool:
        """Keeps a frame for whom it may concern; whether that is all there is to be done with it now.

        `has_receivers`: somebody here takes messages to the bare JID.
        """
        bare, _, resource = frame.to.partition("/")
        concerned = [
            each
            for each in self._arrivals.get(bare, ())
            if frame.kind == CARBON or not resource or each.jid.resource == resource
        ]
        if not concerned:
            return False
        is_handled = frame.kind == CARBON or (not resource and (frame.kind != MESSAGE or has_receivers))
        # A message that somebody here has got need not wait for anybody.
        mine = replace(frame, argument="") if is_handled and frame.kind == MESSAGE else frame
        for arrival in concerned:
            if len(arrival.frames) < FRAMES_LIMIT:
                arrival.frames.append(Kept(mine, is_broadcast, is_handled))
        return not is_handled

    # Departures

    def depart(self, jid: JID, process: str) -> None:
        """The session is gone to another process."""
        self._departed[jid.full] = process
        asyncio.get_running_loop().call_later(DEPARTED_FOR, self._forget, jid.full, process)

    def arrive(self, jid: JID) -> None:
        """The session is here: nothing for it goes on from here, or two processes would pass it around."""
        self._departed.pop(jid.full, None)

    def heir(self, address: str) -> str:
        """Where the session with that full JID, or one of that bare JID, has gone; '' where none has."""
        if not self._departed:
            return ""
        if "/" in address:
            return self._departed.get(address, "")
        start = f"{address}/"
        return next((heir for full, heir in self._departed.items() if full.startswith(start)), "")

    def _forget(self, full: str, process: str) -> None:
        if self._departed.get(full) == process:
            del self._departed[full]
