# SPDX-License-Identifier: Apache-2.0
"""Fields of a page's query, and of a form that is sent."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final
from urllib.parse import parse_qs

from armgs_server.errors import Invalid
from armgs_server.net.http import Request

FIELDS: Final = 50
_ON_THE_LOOP: Final = 64 * 1024  # bytes


def query_of(request: Request) -> dict[str, str]:
    """The first value of each field; Invalid where there are too many."""
    try:
        found = parse_qs(request.query, max_num_fields=FIELDS)
    except ValueError as error:
        raise Invalid("too many fields") from error
    return {name: values[0].strip() for name, values in found.items()}


async def fields_sent(request: Request, limit: int, most: int) -> dict[str, list[str]]:
    """The fields of a form. TooLarge beyond `limit` bytes, Invalid where there are more than `most`."""
    data = await request.read(limit)
    parse = partial(parse_qs, data.decode("utf-8", "replace"), max_num_fields=most)
    try:
        return await asyncio.to_thread(parse) if len(data) > _ON_THE_LOOP else parse()
    except ValueError as error:
        raise Invalid("too many fields") from error
