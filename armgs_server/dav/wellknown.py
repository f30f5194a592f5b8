# SPDX-License-Identifier: Apache-2.0
"""RFC 6764 §5: where a client that knows only the host begins."""

from armgs_server.net.http import Request, Response

PATHS = ("/.well-known/caldav", "/.well-known/carddav")


async def redirect(request: Request) -> Response:
    """Any method is sent on to the context path; the same for both lets a client find one account."""
    # 301 would be kept by clients for ever; 302 is what RFC 6764 also permits.
    return Response(302, [("Location", "/dav/"), ("Cache-Control", "no-cache")])
