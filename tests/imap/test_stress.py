# SPDX-License-Identifier: Apache-2.0
"""Many connections doing everything at once on one mailbox, each against a model of what it has been told.

The model holds what RFC 3501 promises a client: numbers mean what EXISTS and EXPUNGE have made of them, no
EXPUNGE while a FETCH, STORE or SEARCH by numbers is answered (§7.4.1), a uid never means another message
(§2.3.1.1), uids grow, no keyword before FLAGS has named it (§7.2.6), MODSEQ never goes back (RFC 7162).
In the end all connections, and the store, know the same. ARMGS_STRESS_SECONDS makes it longer.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import time

from tests.imap.client import Client
from tests.imap.conftest import Offices

SECONDS = float(os.environ.get("ARMGS_STRESS_SECONDS", "4"))
CONNECTIONS = int(os.environ.get("ARMGS_STRESS_CONNECTIONS", "20"))
FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "$Label1", "$Label2")
_EXISTS = re.compile(rb"\* (\d+) EXISTS")
_RECENT = re.compile(rb"\* (\d+) RECENT")
_EXPUNGE = re.compile(rb"\* (\d+) EXPUNGE")
_FETCH = re.compile(rb"\* (\d+) FETCH \((.*)\)\Z", re.DOTALL)
_UID = re.compile(rb"\bUID (\d+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_MODSEQ = re.compile(rb"\bMODSEQ \((\d+)\)")
_SUBJECT = re.compile(rb"Subject: (\d+-\d+)")


class Model:
    """One connection, and what it knows."""

    def __init__(self, client: Client, number: int, world: World) -> None:
        self.client = client
        self.number = number
        self.world = world
        self.random = random.Random(number)
        self.messages: list[int | None] = []  # uids by number, None until one is told
        self.flags: dict[int, frozenset[bytes]] = {}
        self.modseqs: dict[int, int] = {}
        self.keywords: set[bytes] = set()
        self.appended = 0

    async def run(self, command: str, *, may_expunge: bool, data: bytes = b"") -> list[bytes]:
        """A command, and what its responses do to the model; those that are its own answer."""
        lines = await self.client.command(command.encode() + data)
        *untagged, tagged = lines
        assert tagged.startswith(b"OK"), (command, tagged)
        for line in untagged:
            self.hear(line, command, may_expunge=may_expunge)
        return lines

    def hear(self, line: bytes, command: str, *, may_expunge: bool) -> None:
        if found := _EXPUNGE.fullmatch(line):
            assert may_expunge, (command, line)
            number = int(found[1])
            assert 1 <= number <= len(self.messages), (command, line, len(self.messages))
            del self.messages[number - 1]
        elif found := _EXISTS.fullmatch(line):
            assert int(found[1]) >= len(self.messages), (command, line, len(self.messages))
            self.messages += [None] * (int(found[1]) - len(self.messages))
        elif found := _FETCH.fullmatch(line):
            self.hear_fetch(int(found[1]), found[2], command)
        elif line.startswith(b"* FLAGS ("):
            self.keywords.update(name.lower() for name in line[9:-1].split())
        elif found := _RECENT.fullmatch(line):
            assert int(found[1]) <= len(self.messages), (command, line)
        else:
            assert line.startswith((b"* SEARCH", b"* OK [COPYUID", b"* OK [HIGHESTMODSEQ", b"* SORT")), line

    def hear_fetch(self, number: int, attributes: bytes, command: str) -> None:
        assert 1 <= number <= len(self.messages), (command, number, len(self.messages))
        if found := _UID.search(attributes):
            uid = int(found[1])
            known = self.messages[number - 1]
            assert known in (None, uid), (command, number, known, uid)
            self.messages[number - 1] = uid
            told = [each for each in self.messages if each is not None]
            assert told == sorted(set(told)), (command, told)
        uid_known = self.messages[number - 1]
        if found := _FLAGS.search(attributes):
            names = frozenset(name.lower() for name in found[1].split())
            words = {name for name in names if not name.startswith(b"\\")}
            assert words <= self.keywords, (command, words - self.keywords)
            if b"\\recent" in names and uid_known is not None:
                assert self.world.recent.setdefault(uid_known, self.number) == self.number, uid_known
            if uid_known is not None:
                self.flags[uid_known] = names - {b"\\recent"}
        if uid_known is not None and (found := _MODSEQ.search(attributes)):
            assert int(found[1]) >= self.modseqs.get(uid_known, 0), (command, uid_known)
            self.modseqs[uid_known] = int(found[1])
        if uid_known is not None and (found := _SUBJECT.search(attributes)):
            assert self.world.subjects.setdefault(uid_known, found[1]) == found[1], (uid_known, found[1])

    def some(self) -> str:
        """A set of numbers that the model knows to be there."""
        first = self.random.randint(1, len(self.messages))
        last = min(first + self.random.randint(0, 3), len(self.messages))
        return f"{first}:{last}"

    async def append(self) -> None:
        self.appended += 1
        message = b"Subject: %d-%d\r\n\r\nbody\r\n" % (self.number, self.appended)
        count = self.random.choice((1, 1, 1, 2))
        data = b" ".join(b"(%b) {%d+}\r\n%b" % (b"\\Seen", len(message), message) for _ in range(count))
        lines = await self.run("APPEND INBOX ", may_expunge=True, data=data)
        assert b"[APPENDUID " in lines[-1]

    async def step(self) -> None:
        """One command at random."""
        draw = self.random.random()
        if not self.messages or draw < 0.22:
            await (self.append() if draw < 0.2 else self.run("NOOP", may_expunge=True))
        elif draw < 0.36:
            await self.run(f"FETCH {self.some()} (UID FLAGS)", may_expunge=False)
        elif draw < 0.46:
            await self.run(f"FETCH {self.some()} (UID BODY[])", may_expunge=False)
        elif draw < 0.62:
            await self.store(self.random.choice(("+", "-", "")), self.random.sample(FLAGS, 2))
        elif draw < 0.68:
            await self.store("+", ["\\Deleted"])
        elif draw < 0.74:
            await self.run("EXPUNGE", may_expunge=True)
        elif draw < 0.80:
            await self.search()
        elif draw < 0.84:
            await self.copy()
        elif draw < 0.88:
            await self.run("UID FETCH 1:* (FLAGS MODSEQ)", may_expunge=True)
        elif draw < 0.92:
            await self.idle()
        elif draw < 0.96:
            await self.run("SORT (REVERSE ARRIVAL) UTF-8 ALL", may_expunge=False)
        else:
            await self.select()

    async def store(self, sign: str, flags: list[str]) -> None:
        """What is silent the model works out itself; what others have done meanwhile it must be told."""
        silent = self.random.choice(("", ".SILENT"))
        numbers = self.some()
        first, last = (int(number) for number in numbers.split(":"))
        names = frozenset(flag.lower().encode() for flag in flags)
        for uid in self.messages[first - 1 : last]:
            if uid in self.flags:
                assert uid is not None
                known = self.flags[uid]
                self.flags[uid] = known | names if sign == "+" else known - names if sign == "-" else names
        await self.run(f"STORE {numbers} {sign}FLAGS{silent} ({' '.join(flags)})", may_expunge=False)

    async def search(self) -> None:
        lines = await self.run(f"SEARCH {self.some()} UNDELETED", may_expunge=False)
        for line in lines:
            if line.startswith(b"* SEARCH"):
                numbers = [int(number) for number in line.split()[2:]]
                assert numbers == sorted(set(numbers))
                assert all(1 <= number <= len(self.messages) for number in numbers)

    async def copy(self) -> None:
        """By uid: what is gone meanwhile is left out. The subjects of the copies are not the originals'."""
        uids = [uid for uid in self.messages if uid is not None]
        if uids:
            uid = self.random.choice(uids)
            await self.run(f"UID {self.random.choice(('COPY', 'MOVE'))} {uid} Archive", may_expunge=True)

    async def idle(self) -> None:
        tag = await self.client.idle()
        for line in (await self.client.done(tag))[:-1]:
            self.hear(line, "IDLE", may_expunge=True)

    async def select(self) -> None:
        self.messages.clear()
        self.keywords.clear()
        self.flags.clear()
        verb = "SELECT"
        *untagged, tagged = await self.client.command(f"{verb} INBOX")
        assert tagged.startswith(b"OK [READ-WRITE]"), tagged
        for line in untagged:
            if not line.startswith(b"* OK"):
                self.hear(line, verb, may_expunge=True)


class World:
    """What all connections must agree about."""

    def __init__(self) -> None:
        self.subjects: dict[int, bytes] = {}  # uid -> what the message is
        self.recent: dict[int, int] = {}  # uid -> the one connection that has it as \\Recent (§2.3.2)


async def test_everybody_agrees(offices: Offices) -> None:
    office = await offices(imap={"recent": True})
    world = World()
    models = [Model(await office.login(), number, world) for number in range(CONNECTIONS)]
    for model in models:
        await model.select()
    ends = time.monotonic() + SECONDS

    async def work(model: Model) -> int:
        steps = 0
        while time.monotonic() < ends or steps < 5:
            await model.step()
            steps += 1
        return steps

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(model)) for model in models]
    assert sum(task.result() for task in tasks) >= 5 * CONNECTIONS
    views = []
    for model in models:
        await model.run("NOOP", may_expunge=True)
        told = {uid: model.flags[uid] for uid in model.messages if uid is not None and uid in model.flags}
        await model.run("FETCH 1:* (UID FLAGS)" if model.messages else "NOOP", may_expunge=False)
        assert None not in model.messages
        now = {uid: model.flags[uid] for uid in model.messages if uid is not None}
        assert told.items() <= now.items(), "a change of flags was not told"
        views.append(now)
    assert all(view == views[0] for view in views)
    [status] = await models[0].client.ok("STATUS INBOX (MESSAGES UNSEEN)")
    unseen = sum(b"\\seen" not in flags for flags in views[0].values())
    assert status == b"* STATUS INBOX (MESSAGES %d UNSEEN %d)" % (len(views[0]), unseen)
