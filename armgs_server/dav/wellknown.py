# SPDX-License-Identifier: Apache-2.0
"""RFC 6764 §5: where a client that knows only the host begins."""

from armgs_server.net.http import Request, Response

PATHS = ("/.well-known/caldav", "/.well-known/carddav")


async def redirect(request: Request) -> Response:
    """Any method is sent on to the context path; the same for both lets a client find one account."""
    # 307 keeps the method, where libraries make a GET of a PROPFIND after 302; 301 would be kept for ever.
    return Response(307, [("Location", "/dav/"), ("Cache-Control", "no-cache")])
