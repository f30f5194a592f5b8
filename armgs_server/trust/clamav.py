# SPDX-License-Identifier: Apache-2.0
"""ClamAV's daemon: the command INSTREAM of clamd(8). A message with malware is refused with its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from armgs_server.errors import Invalid
from armgs_server.trust.endpoint import PIECE, Endpoint
from armgs_server.trust.model import Arrival, Refusal
from armgs_server.trust.opinion import Opinion

LONGEST_ANSWER = 4096

_FOUND = re.compile(r"stream: (.{1,200}) FOUND")


@dataclass(frozen=True, slots=True)
class ClamAv:
    """See filters.Filter."""

    endpoint: Endpoint

    async def ask(self, arrival: Arrival) -> Opinion:
        async with self.endpoint.connected() as (reader, writer):
            writer.write(b"zINSTREAM\0")
            for start in range(0, len(arrival.text), PIECE):
                piece = arrival.text[start : start + PIECE]
                writer.write(len(piece).to_bytes(4, "big") + piece)
                await writer.drain()
            writer.write(bytes(4))
            await writer.drain()
            answer = await reader.read(LONGEST_ANSWER)
            while not answer.endswith(b"\0") and (more := await reader.read(LONGEST_ANSWER)):
                answer += more
                if len(answer) > LONGEST_ANSWER:
                    raise Invalid("clamd does not end its answer")
        return parse_answer(answer)


def parse_answer(answer: bytes) -> Opinion:
    """Invalid where clamd could not look at the message."""
    text = answer.rstrip(b"\0\r\n").decode("utf-8", "replace")
    if text == "stream: OK":
        return Opinion()
    found = _FOUND.fullmatch(text)
    if found is None:
        raise Invalid(f"clamd says {text[:100]!r}")
    return Opinion(refusal=Refusal(550, "5.7.1", f"The message carries malware: {found[1]}"))
