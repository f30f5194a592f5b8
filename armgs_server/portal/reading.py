# SPDX-License-Identifier: Apache-2.0
"""Fields of a page's query."""

from __future__ import annotations

from urllib.parse import parse_qs

from armgs_server.errors import Invalid
from armgs_server.net.http import Request

FIELDS = 50


def query_of(request: Request) -> dict[str, str]:
    """The first value of each field; Invalid where there are too many."""
    try:
        found = parse_qs(request.query, max_num_fields=FIELDS)
    except ValueError as error:
        raise Invalid("too many fields") from error
    return {name: values[0].strip() for name, values in found.items()}
