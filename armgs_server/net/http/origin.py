# SPDX-License-Identifier: Apache-2.0
"""Where a request comes from: the Origin header field (RFC 6454 §7) against the sites that are welcome."""

from __future__ import annotations

from collections.abc import Collection

from armgs_server.net.http.message import Request

ANY = "*"


def is_welcome(request: Request, origins: Collection[str]) -> bool:
    """Whether no page has sent it, or a page of this very host, or of a site named in `origins`."""
    origin = request.header("origin")
    if origin is None or ANY in origins:
        return True
    origin = origin.lower()
    authority = origin.partition("://")[2]
    return origin in origins or (bool(authority) and authority == (request.header("host") or "").lower())
