# SPDX-License-Identifier: Apache-2.0
"""Runs tests/transcripts/pop3/*.txt: dialogues with the real service, line by line.

`@ a connect pop3` connects a client named a to a port by its name; `@ a tls` does the handshake after STLS.
`a> …` is what it sends, `a< …` the next line it must get, whole; `<*>` stands for any text, `<end>` for the
end of the connection. `= 1 …` puts a message into Ivanov's inbox as its first. `#` begins a comment.
"""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.pop3.client import Client, deliver
from tests.world import World

TRANSCRIPTS = sorted((Path(__file__).parents[1] / "transcripts" / "pop3").glob("*.txt"))


class _Silent(Client):
    """Leaves even the greeting to the transcript."""

    async def __aenter__(self) -> _Silent:
        await self.open()
        return self


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_transcript(world: World, path: Path) -> None:
    clients: dict[str, Client] = {}
    async with AsyncExitStack() as stack:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            place = f"{path.name}:{number}"
            if not line or line.startswith("#"):
                continue
            if line.startswith("= "):
                message = line.split(" ", 2)[2].encode().decode("unicode_escape").encode("latin-1")
                await deliver(world, message)
            elif line.startswith("@ "):
                name, verb, *rest = line[2:].split()
                if verb == "connect":
                    clients[name] = await stack.enter_async_context(_Silent(world, rest[0]))
                else:
                    await clients[name].handshake()
            elif line[1] == ">":
                clients[line[0]].write(line[3:].encode() + b"\r\n")
            else:
                assert line[1] == "<", f"{place}: {line}"
                got = await clients[line[0]].line()
                wanted = line[3:]
                if wanted == "<end>":
                    assert got == "", place
                    continue
                pattern = ".*".join(map(re.escape, wanted.split("<*>")))
                assert re.fullmatch(pattern, got), f"{place}\nexpected {wanted}\ngot      {got}"


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 3
