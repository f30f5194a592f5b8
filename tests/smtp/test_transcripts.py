# SPDX-License-Identifier: Apache-2.0
"""Runs tests/transcripts/smtp/*.txt: dialogues with the real service, line by line.

`@ a connect smtp` connects a client named a to a port by its name; `@ a tls` does the handshake after a 220.
`a> …` is what it sends, `a< …` the next line it must get, whole; `<*>` stands for any text. `a<` alone is
the end of the connection. `= petrova 2` says how many messages are in an INBOX by then, and
`= petrova 2 text` that the newest one has the text. `#` begins a comment.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.smtp.client import TIMEOUT, Client, inbox
from tests.world import World

TRANSCRIPTS = sorted((Path(__file__).parents[1] / "transcripts" / "smtp").glob("*.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_transcript(world: World, path: Path) -> None:
    clients: dict[str, Client] = {}
    async with AsyncExitStack() as stack:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            place = f"{path.name}:{number}"
            if not line or line.startswith("#"):
                continue
            name, direction, text = line[:1], line[1:2], line[3:]
            if line.startswith("@ "):
                name, verb, *rest = line[2:].split()
                if verb == "connect":
                    clients[name] = await stack.enter_async_context(_Silent(world, rest[0]))
                else:
                    await clients[name].handshake()
            elif line.startswith("= "):
                await _check_inbox(world, line[2:], place)
            elif direction == ">":
                clients[name].write(text.encode() + b"\r\n")
            else:
                assert direction == "<", f"{place}: {line}"
                async with asyncio.timeout(TIMEOUT):
                    got = (await clients[name].reader.readline()).decode()
                assert not got or got.endswith("\r\n"), place
                got = got.removesuffix("\r\n")
                assert _pattern(text).fullmatch(got), f"{place}\nexpected {text}\ngot      {got}"


class _Silent(Client):
    """Leaves even the greeting to the transcript."""

    async def __aenter__(self) -> _Silent:
        await self.open()
        return self


async def _check_inbox(world: World, line: str, place: str) -> None:
    person, count, *text = line.split(maxsplit=2)
    messages = await inbox(world, f"{person}@digital.example")
    assert len(messages) == int(count), place
    assert not text or text[0].encode() in messages[-1], f"{place}: {messages[-1]!r}"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("<*>"))))


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 6
