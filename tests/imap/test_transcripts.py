# SPDX-License-Identifier: Apache-2.0
"""Runs tests/transcripts/imap/*.txt: dialogues with the real service, line by line.

`@ a login ivanov INBOX` connects a client named a, logs it in and selects; `@ a connect` only connects.
`a> …` is what it sends, `a< …` the next line it must get, whole; `<*>` stands for any text, `<n>` for a
number. `#` begins a comment. Lines of literals are lines like all others.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.imap.client import TIMEOUT, Client, Office

TRANSCRIPTS = sorted((Path(__file__).parents[1] / "transcripts" / "imap").glob("*.txt"))
_WILDCARDS = {"<*>": ".*", "<n>": "[0-9]+"}


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_transcript(office: Office, path: Path) -> None:
    clients: dict[str, Client] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("@ "):
            name, verb, *rest = line[2:].split()
            clients[name] = await (office.connect() if verb == "connect" else _login(office, *rest))
            continue
        name, direction, text = line[:1], line[1:2], line[3:]
        if direction == ">":
            clients[name].send(text.encode() + b"\r\n")
            continue
        assert direction == "<", f"{path.name}:{number}: {line}"
        async with asyncio.timeout(TIMEOUT):
            got = (await clients[name].reader.readline()).removesuffix(b"\r\n").decode()
        assert _pattern(text).fullmatch(got), f"{path.name}:{number}\nexpected {text}\ngot      {got}"


async def _login(office: Office, person: str, mailbox: str = "") -> Client:
    return await office.login(f"{person}@digital.example", mailbox)


def _pattern(text: str) -> re.Pattern[str]:
    pieces = re.split("(<[*n]>)", text)
    return re.compile("".join(_WILDCARDS.get(piece, re.escape(piece)) for piece in pieces), re.DOTALL)


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) > 10
