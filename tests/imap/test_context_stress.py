# SPDX-License-Identifier: Apache-2.0
"""What a client makes of ADDTO and REMOVEFROM is what a new search finds, whatever others do meanwhile."""

from __future__ import annotations

import asyncio
import random
import re

import pytest

from tests.formats.mail_samples import crlf
from tests.imap.client import Client, Office

ROUNDS = 25
WORKERS = 3
SEARCHES = {
    "UID SEARCH": "UNSEEN",
    "UID SEARCH ": "OR TEXT even FLAGGED",
    "UID SORT": "(SUBJECT REVERSE ARRIVAL) UTF-8 NOT DELETED",
    "UID SORT ": "(REVERSE SIZE SUBJECT) UTF-8 UNFLAGGED",
}
_UPDATE = re.compile(rb'\* ESEARCH \(TAG "(\w+)"\) UID (ADDTO|REMOVEFROM) \(([0-9:, ]+)\)')


class Model:
    """The results as the client has them."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.results: dict[bytes, list[int]] = {}
        self.commands: dict[bytes, tuple[str, str]] = {}

    async def begin(self) -> None:
        for verb, program in SEARCHES.items():
            *_, line = await self.client.ok(f"{verb.strip()} RETURN (ALL UPDATE) {program}")
            found = re.fullmatch(rb'\* ESEARCH \(TAG "(\w+)"\) UID(?: ALL ([0-9:,]+))?', line)
            assert found is not None, line
            self.results[found[1]] = expand(found[2] or b"")
            self.commands[found[1]] = (verb.strip(), program)

    def take(self, line: bytes) -> None:
        """RFC 5267 §4.3.3, §4.3.4: one after the other, each at its place."""
        if (found := _UPDATE.fullmatch(line)) is None:
            return
        results = self.results[found[1]]
        words = found[3].split()
        for position, numbers in zip(words[::2], words[1::2], strict=True):
            for uid in expand(numbers):
                if found[2] == b"REMOVEFROM":
                    if int(position):
                        assert results[int(position) - 1] == uid, line
                    results.remove(uid)
                else:
                    assert uid not in results, line
                    results.insert(int(position) - 1 if int(position) else len(results), uid)

    async def check(self) -> None:
        for tag, (verb, program) in self.commands.items():
            *_, line = await self.client.ok(f"{verb} RETURN (ALL) {program}")
            expected = expand(line.partition(b" UID ALL ")[2])
            kept = self.results[tag]
            assert (kept if verb == "UID SORT" else sorted(kept)) == expected, (verb, program)


def expand(numbers: bytes) -> list[int]:
    found: list[int] = []
    for piece in numbers.split(b",") if numbers else ():
        first, _, last = piece.partition(b":")
        found += range(int(first), int(last or first) + 1)
    return found


async def work(client: Client, chance: random.Random) -> None:
    """Appends, flags and expunges, as they come."""
    for turn in range(ROUNDS):
        match chance.randrange(4):
            case 0 | 1:
                word = "even" if turn % 2 else "odd"
                subject = chance.choice("abcdefg")
                await client.append(crlf(f"Subject: {subject}\n\n{word} {'x' * chance.randrange(99)}\n"))
            case 2:
                flag = chance.choice(("\\Seen", "\\Flagged"))
                await client.ok(f"UID STORE {chance.randrange(1, 40)}:* {chance.choice('+-')}FLAGS ({flag})")
            case _:
                await client.ok(f"UID STORE {chance.randrange(1, 60)} +FLAGS.SILENT (\\Deleted)")
                await client.ok("EXPUNGE")


@pytest.mark.parametrize("with_notify", [False, True])
async def test_what_the_client_makes_of_it(office: Office, with_notify: bool) -> None:
    chance = random.Random(5267)
    watcher = await office.login(mailbox="INBOX")
    for subject in "gca":
        await watcher.append(crlf(f"Subject: {subject}\n\neven\n"))
    await watcher.ok("NOOP")
    if with_notify:
        await watcher.ok("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange)) (personal NONE)")
    model = Model(watcher)
    await model.begin()
    workers = [await office.login(mailbox="INBOX") for _ in range(WORKERS)]
    tasks = [
        asyncio.create_task(work(worker, random.Random(number))) for number, worker in enumerate(workers)
    ]
    while not all(task.done() for task in tasks):
        command = chance.choice(("NOOP", "FETCH 1 FLAGS", "UID FETCH 1:5 UID", "UID STORE 3 +FLAGS (\\Seen)"))
        *lines, tagged = await watcher.command(command)
        assert tagged.startswith((b"OK", b"BAD the mailbox has")), tagged
        for line in lines:
            model.take(line)
        await asyncio.sleep(0.01)
    await asyncio.gather(*tasks)
    for line in await watcher.ok("NOOP"):
        model.take(line)
    await model.check()
