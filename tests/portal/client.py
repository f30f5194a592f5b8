# SPDX-License-Identifier: Apache-2.0
"""One request to the portal over a real socket."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.world import World


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.body.decode()


async def get(
    world: World,
    target: str,
    headers: Mapping[str, str] | None = None,
    *,
    secure: bool = True,
    method: str = "GET",
    body: bytes = b"",
) -> Answer:
    reader, writer = await world.connect("https" if secure else "http", secure=secure)
    fields = {"Host": "localhost", "Connection": "close", **(headers or {})}
    if body:
        fields["Content-Length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    writer.write("\r\n".join(lines).encode() + body)
    raw = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *rest = head.decode("latin-1").split("\r\n")
    answered = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
    cookies = tuple(
        value for name, _, value in (line.partition(": ") for line in rest) if name.lower() == "set-cookie"
    )
    return Answer(int(status.split(" ")[1]), answered, body, cookies)


def without_number(page: str) -> str:
    """An error page but for the number of the request, which each has of its own."""
    return re.sub(r"<code>[0-9a-f]{16}</code>", "<code></code>", page)
