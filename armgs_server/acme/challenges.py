# SPDX-License-Identifier: Apache-2.0
"""http-01 (RFC 8555 §8.3): the CA fetches the key authorization of a token over plain HTTP."""

from __future__ import annotations

import re
from typing import Final

from armgs_server.errors import NotFound
from armgs_server.net.http import Request, Response
from armgs_server.service import Core
from armgs_server.storage import acme, clock

PREFIX: Final = "/.well-known/acme-challenge/"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")  # §8.1: base64url; a longer one is none that was given to us


class Challenges:
    """Whoever knows a token may know its answer: it proves nothing to anybody but the CA."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def answer(self, request: Request) -> Response:
        """NotFound where no order is open that has the token."""
        token = request.path.removeprefix(PREFIX)
        if request.method not in ("GET", "HEAD"):
            return Response(405, [("Allow", "GET, HEAD")])
        if not self._core.config.tls.acme_directory or not _TOKEN.fullmatch(token):
            raise NotFound()
        now = clock.now()
        found = await self._core.store.read(lambda tx: acme.challenge(tx, token, now))
        if found is None:
            raise NotFound()
        headers = [("Content-Type", "application/octet-stream"), ("Cache-Control", "no-store")]
        return Response(200, headers, found)
