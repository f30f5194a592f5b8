# SPDX-License-Identifier: Apache-2.0
"""The clients of the load that write one thing after another: mail, APPEND, files, rival calendar events.

Each thing has a name of its own and one of three fates: acknowledged; unknown, because the answer was
lost with the connection; or refused with a temporary error, and then the same thing is tried again. So
afterwards what was acknowledged is there once, and what is unknown at most once.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.site import PASSWORD, Site
from tests.faults.wire import GONE, Answer, GoneError, Http, Imap, Smtp, Wire

INLINE, LARGE = 8_000, 150_000  # below and above [store] inline_limit
RETRY = 0.3


@dataclass(slots=True)
class Plan:
    """What all clients of one load share. `tag` begins every name; `pace` is the pause between two writes."""

    site: Site
    tag: str
    pace: float
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    hosts: tuple[int, ...] = (0, 1)  # those that a balancer would send new connections to

    async def pause(self, seconds: float) -> None:
        """Or until the load ends."""
        try:
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        except TimeoutError:
            return


class Client(ABC):
    """One of the fifty. It stays on its host while it is answered; then it tries the next one in turn."""

    kind: str

    def __init__(self, plan: Plan, number: int, person: str) -> None:
        self.plan = plan
        self.number = number
        self.person = person
        self.host = plan.hosts[(number + number // 10) % len(plan.hosts)]  # each kind on both
        self.acknowledged: list[str] = []
        self.unknown: set[str] = set()
        self.refused = 0
        self.reconnected = 0
        self.answered_at = 0.0  # when the last acknowledgement came
        self._named = 0

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number} ({self.person} at host {self.host + 1})"

    async def run(self) -> None:
        """Until the load ends."""
        while not self.plan.ended.is_set():
            try:
                await self.work()
            except GONE:
                self.reconnected += 1
                self.host = self.plan.hosts[(self.plan.hosts.index(self.host) + 1) % len(self.plan.hosts)]
                await self.plan.pause(RETRY)

    @property
    def hosts(self) -> set[int]:
        """Those it needs."""
        return {self.host}

    def new_name(self) -> str:
        self._named += 1
        return f"{self.plan.tag}-{self.kind}{self.number}-{self._named}"

    def note(self, name: str) -> None:
        """It was acknowledged."""
        self.acknowledged.append(name)
        self.answered_at = time.monotonic()

    async def connect(self, wire: Wire, port: int) -> None:
        site = self.plan.site
        await wire.open(site.hosts[self.host].address, site.port(port))

    @abstractmethod
    async def work(self) -> None:
        """On one connection: raises one of GONE when it has ended."""


class Writer(Client):
    """Writes, waits for the answer, pauses."""

    pending = ""  # refused, to be tried again

    async def work(self) -> None:
        wire = await self.begin()
        name = ""
        try:
            while not self.plan.ended.is_set():
                name, self.pending = self.pending or self.new_name(), ""
                if await self.write(wire, name):
                    self.note(name)
                    name = ""
                    await self.plan.pause(self.plan.pace * random.uniform(0.5, 1.5))
                else:
                    self.pending, name = name, ""
                    self.refused += 1
                    await self.plan.pause(RETRY)
        finally:
            if name:
                self.unknown.add(name)
            wire.close()

    @abstractmethod
    async def begin(self) -> Wire:
        """A connection that is ready."""

    @abstractmethod
    async def write(self, wire: Wire, name: str) -> bool:
        """False when it was refused for now."""


class Neighbour(Writer):
    """Delivers mail by SMTP."""

    kind = "smtp"

    async def begin(self) -> Wire:
        wire = Smtp()
        await self.connect(wire, 25)
        await wire.greet()
        return wire

    async def write(self, wire: Wire, name: str) -> bool:
        assert isinstance(wire, Smtp)
        code = await wire.deliver(self.person, message(name))
        if code != 250 and not 400 <= code < 500:
            raise RuntimeError(f"mail was answered {code}")
        return code == 250


class Author(Writer):
    """Appends drafts by IMAP."""

    kind = "append"

    async def begin(self) -> Wire:
        wire = Imap()
        await self.connect(wire, 143)
        await wire.log_in(self.person, PASSWORD)
        return wire

    async def write(self, wire: Wire, name: str) -> bool:
        assert isinstance(wire, Imap)
        body = message(name)
        answer = (await wire.command(b"APPEND Drafts {%d+}\r\n" % len(body) + body))[-1]
        if not answer.startswith(b"OK") and b"[UNAVAILABLE]" not in answer:
            raise RuntimeError(f"APPEND was answered {answer!r}")
        return answer.startswith(b"OK")


class Uploader(Writer):
    """Puts files, every other one so large that it goes to S3."""

    kind = "file"

    async def begin(self) -> Wire:
        wire = Http(self.person, PASSWORD)
        await self.connect(wire, 80)
        return wire

    async def write(self, wire: Wire, name: str) -> bool:
        assert isinstance(wire, Http)
        answer = await wire.request("PUT", f"/dav/files/{self.person}/{name}", content(name))
        return was_written(answer)


class Rivals(Client):
    """Two programs of one person on two hosts that want the same: in each round at most one may get it.

    First both make an event with one UID in one calendar; then both change one event, knowing its ETag.
    """

    kind = "rivals"

    def __init__(self, plan: Plan, number: int, person: str) -> None:
        super().__init__(plan, number, person)
        self.made: dict[str, str] = {}  # UID → who was told that it has made it, "" where nobody was
        self.doubled: list[str] = []
        self._calendar = f"/dav/calendars/{person}/default"

    async def work(self) -> None:
        wires = [Http(self.person, PASSWORD) for _ in range(2)]
        try:
            for wire, host in zip(wires, (0, 1), strict=True):
                await wire.open(self.plan.site.hosts[host].address, self.plan.site.port(80))
            while not self.plan.ended.is_set():
                uid = self.new_name()
                winner = await self._make(wires, uid)
                if winner and await self._change(wires, uid, winner):
                    self.note(uid)
                    await self.plan.pause(self.plan.pace * random.uniform(0.5, 1.5))
                else:
                    self.refused += 1
                    await self.plan.pause(RETRY)
        finally:
            for wire in wires:
                wire.close()

    @property
    def hosts(self) -> set[int]:
        return {0, 1}

    async def _make(self, wires: list[Http], uid: str) -> str:
        """Both at once; which of a and b was told 201, or ''."""
        self.made[uid] = ""
        answers = await self._both(
            [
                wire.request("PUT", f"{self._calendar}/{uid}-{who}.ics", event(uid, who), If_None_Match="*")
                for wire, who in zip(wires, "ab", strict=True)
            ]
        )
        winners = [who for who, answer in zip("ab", answers, strict=True) if was_written(answer)]
        if len(winners) > 1:
            self.doubled.append(uid)
        self.made[uid] = "".join(winners)
        return self.made[uid]

    async def _change(self, wires: list[Http], uid: str, name: str) -> bool:
        """Both change it at once, with the same If-Match; whether somebody was told that it did."""
        path = f"{self._calendar}/{uid}-{name}.ics"
        found = await wires[0].request("GET", path)
        if found.status != 200:
            if found.status != 503:
                raise RuntimeError(f"{path} was answered {found.status}")
            return False
        etag = found.headers["etag"]
        answers = await self._both(
            [
                wire.request("PUT", path, event(uid, f"changed by {who}"), If_Match=etag)
                for wire, who in zip(wires, "ab", strict=True)
            ]
        )
        winners = [answer for answer in answers if was_written(answer)]
        if len(winners) > 1:
            self.doubled.append(f"{uid} changed")
        return bool(winners)

    async def _both(self, requests: Sequence[Coroutine[Any, Any, Answer]]) -> list[Answer]:
        answers: list[Answer] = []
        for answer in await asyncio.gather(*requests, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise GoneError("no answer") from answer
            answers.append(answer)
        return answers


def was_written(answer: Answer) -> bool:
    """412, 409 and 403: another was first; 5xx: not now. Anything else is no answer to a PUT."""
    if answer.status not in (201, 204, 403, 409, 412, 500, 503):
        raise RuntimeError(f"PUT was answered {answer.status}")
    return answer.status in (201, 204)


def message(name: str) -> bytes:
    return b"From: load@neighbour.example\r\nSubject: %s\r\n\r\n%s\r\n" % (name.encode(), b"x" * 70)


def content(name: str) -> bytes:
    """The bytes of a file, which its name determines."""
    size = LARGE if int(name.rpartition("-")[2]) % 2 else INLINE
    seed = hashlib.sha256(name.encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


def event(uid: str, summary: str) -> bytes:
    lines = (
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//faults//EN", "BEGIN:VEVENT", f"UID:{uid}",
        "DTSTAMP:20261122T080000Z", "DTSTART:20261123T090000Z", "DTEND:20261123T100000Z",
        f"SUMMARY:{summary}", "END:VEVENT", "END:VCALENDAR", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode()
