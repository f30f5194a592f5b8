# SPDX-License-Identifier: Apache-2.0
"""The plain HTTP port: everything is at the same place under https."""

import re

from armgs_server.config import SecuritySettings
from armgs_server.net.http import Handler, Request, Response

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d+)?")


def redirect_to_https(port: int, hostname: str) -> Handler:
    """A handler that sends everybody to the https port, method and body kept (RFC 9110 §15.4.9)."""

    async def redirect(request: Request) -> Response:
        match = _HOST.fullmatch(request.header("host") or "")
        host = match[1] if match is not None else hostname
        authority = host if port == 443 else f"{host}:{port}"
        target = request.target if request.target.startswith("/") else "/"
        return Response(308, [("Location", f"https://{authority}{target}")])

    return redirect


def where_permitted(settings: SecuritySettings, handler: Handler, otherwise: Handler) -> Handler:
    """The first handler while log-in without TLS is permitted, the other one while it is not."""

    async def answer(request: Request) -> Response:
        return await (handler if settings.allow_plaintext else otherwise)(request)

    return answer
