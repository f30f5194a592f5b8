# SPDX-License-Identifier: Apache-2.0
"""The address that somebody gives on a page that needs no sign-in."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs

from armgs_server.errors import DomainError, Invalid
from armgs_server.formats import addresses
from armgs_server.net.http import Request
from armgs_server.portal.pages import text_of


def address_of(request: Request, domains: Sequence[str], *, required: bool = False) -> str:
    """`?address=`, "" where there is none and need be none. Whether it exists is not looked at nor told."""
    given = parse_qs(request.query).get("address", [""])[0].strip()
    if not given and not required:
        return ""
    try:
        address = addresses.normalise(given)
    except DomainError as error:
        raise Invalid(text_of(request, "address_invalid")) from error
    if address.rpartition("@")[2] not in domains:
        raise Invalid(text_of(request, "address_elsewhere"))
    return address
