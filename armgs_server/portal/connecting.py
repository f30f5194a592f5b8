# SPDX-License-Identifier: Apache-2.0
"""What a program is given to set itself up: links that open it, codes for a phone's camera, rclone's file.

    /code.svg?for=start|davx5|xmpp&address=   a QR code
    /rclone.conf?address=                     a remote for files; rclone asks for the password
    /slip?address=                            a sheet of paper for a new colleague

Only these links are put into codes: nobody can have this server show one that leads elsewhere.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qs, quote, urlencode

import segno

from armgs_server.errors import NotFound
from armgs_server.net.http import Handler, Request, Response
from armgs_server.portal.addresses import address_of
from armgs_server.portal.endpoints import Endpoints
from armgs_server.portal.pages import Pages
from armgs_server.portal.safety import Safety
from armgs_server.service import Core

CODE: Final = "/code.svg"
RCLONE: Final = "/rclone.conf"
SLIP: Final = "/slip"
_CODES_KEPT: Final = 512
_MASK: Final = 2  # any may be read; to weigh all eight of them takes five times as long


class Connecting:
    """The routes; nothing here tells whether an address exists."""

    def __init__(self, core: Core, endpoints: Endpoints, pages: Pages, *, has_ca: bool) -> None:
        self._domains = core.config.server.domains
        self._endpoints = endpoints
        self._pages = pages
        self._has_ca = has_ca
        self._safety = Safety(core.config, pages)

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return (
            self._safety.page(CODE, self._code),
            self._safety.page(RCLONE, self._rclone),
            self._safety.page(SLIP, self._slip),
        )

    async def _code(self, request: Request) -> Response:
        wanted = parse_qs(request.query).get("for", [""])[0]
        address = address_of(request, self._domains)
        link = links(self._endpoints, address).get(wanted)
        if not link:
            raise NotFound()
        headers = [("Content-Type", "image/svg+xml"), ("Cache-Control", "private, max-age=86400")]
        return Response(200, headers, code(link))

    async def _rclone(self, request: Request) -> Response:
        address = address_of(request, self._domains, required=True)
        lines = [
            "[armgs]",
            "type = webdav",
            f"url = {self._endpoints.dav_url}files/{quote(address, safe='@')}/",
            "vendor = other",
            f"user = {address}",
            "",
        ]
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Disposition", 'attachment; filename="rclone.conf"'),
        ]
        return Response(200, headers, "\n".join(lines).encode())

    async def _slip(self, request: Request) -> Response:
        address = address_of(request, self._domains, required=True)
        page = self._pages.render(
            "slip.html",
            request,
            address=address,
            endpoints=self._endpoints,
            query=urlencode({"address": address}),
            has_ca=self._has_ca,
        )
        return self._pages.html(request, 200, page)


def links(endpoints: Endpoints, address: str) -> dict[str, str]:
    """What opens the page, DAVx5 (davx5:// is https, its user part the log-in name), a chat program."""
    authority = endpoints.base_url.partition("://")[2]
    user = f"{quote(address, safe='')}@" if address else ""
    query = f"?{urlencode({'address': address})}" if address else ""
    return {
        "start": f"{endpoints.base_url}/{query}",
        "davx5": f"davx5://{user}{authority}/dav/",
        "xmpp": f"xmpp:{quote(address, safe='@')}" if address else "",
    }


@lru_cache(maxsize=_CODES_KEPT)
def code(link: str) -> bytes:
    """A QR code as an SVG document."""
    made = segno.make(link, error="m", micro=False, mask=_MASK, boost_error=False)
    target = io.BytesIO()
    made.save(target, kind="svg", xmldecl=False, scale=4, border=4, light="#fff", dark="#000")
    return target.getvalue()
