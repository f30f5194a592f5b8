# SPDX-License-Identifier: Apache-2.0
"""Chat in the browser at /chat/: Converse.js, ready configured for this workplace, over WebSocket.

The page loads what this server serves and nothing else, and talks to this server only: its
Content-Security-Policy says so. Where the program is not installed there is no such page.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from armgs_server.config import Config
from armgs_server.errors import NotFound
from armgs_server.net.http import Request, Response
from armgs_server.portal import hostmeta
from armgs_server.portal.converse import Bundle
from armgs_server.portal.endpoints import Endpoints
from armgs_server.portal.pages import Pages, language_of

PREFIX = "/chat/"
_ASSETS = "/chat/dist/"
_SCRIPT = "/chat/start.js"
FOLDER = "converse"  # in the data folder


class WebChat:
    """The routes below /chat/."""

    def __init__(self, config: Config, endpoints: Endpoints, pages: Pages) -> None:
        self._domains = config.server.domains
        self._endpoints = endpoints
        self._pages = pages
        self._bundle = Bundle(config.data_dir / FOLDER)

    @property
    def is_there(self) -> bool:
        return self._bundle.is_there

    def headers(self) -> list[tuple[str, str]]:
        """CSP Level 3. The program makes style elements of its own; a style can be no script."""
        socket = hostmeta.websocket_url(self._endpoints.base_url)
        policy = (
            "default-src 'none'; script-src 'self'; worker-src 'self'; "
            "style-src 'self' 'unsafe-inline'; font-src 'self'; media-src 'self' blob:; "
            f"img-src 'self' data: blob:; connect-src 'self' {socket}; manifest-src 'self'; "
            "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        )
        return [
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
        ]

    async def answer(self, request: Request) -> Response:
        if not self.is_there:
            raise NotFound()
        if request.path == "/chat":
            return Response(308, [("Location", PREFIX)])
        if request.path == PREFIX:
            base_url = self._endpoints.base_url
            if request.header("host") != base_url.partition("://")[2]:
                # A page may connect to its own site only, which is the one all else is configured for.
                query = f"?{request.query}" if request.query else ""
                return Response(302, [("Location", f"{base_url}{PREFIX}{query}")])
            return self._page(request)
        if request.path == _SCRIPT:
            script = self._script(request)
            return Response(200, [("Content-Type", "text/javascript; charset=utf-8"), _NO_STORE], script)
        return await self._asset(request)

    def _page(self, request: Request) -> Response:
        headers = [("Content-Type", "text/html; charset=utf-8"), ("Vary", "Accept-Language"), _NO_STORE]
        return Response(200, headers, self._pages.chat(request))

    def _script(self, request: Request) -> bytes:
        """What the page runs: Converse.js with the settings of this workplace."""
        settings = _settings(self._endpoints.base_url, self._domains, language_of(request))
        text = json.dumps(settings, ensure_ascii=False, indent=1)
        return f'import converse from "./dist/converse.min.js";\n\nconverse.initialize({text});\n'.encode()

    async def _asset(self, request: Request) -> Response:
        name = request.path.removeprefix(_ASSETS)
        asset = await asyncio.to_thread(self._bundle.find, name) if name != request.path else None
        if asset is None:
            raise NotFound()
        headers = [("ETag", asset.etag), ("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding")]
        if request.header("if-none-match") == asset.etag:
            return Response(304, headers)  # RFC 9110 §13.1.2
        path = asset.path
        if asset.compressed is not None and "gzip" in (request.header("accept-encoding") or ""):
            path = asset.compressed
            headers.append(("Content-Encoding", "gzip"))
        headers.append(("Content-Type", asset.content_type))
        return Response(200, headers, await asyncio.to_thread(path.read_bytes))


_NO_STORE = ("Cache-Control", "no-store")


def _settings(base_url: str, domains: Sequence[str], language: str) -> dict[str, object]:
    """Converse.js' own names."""
    return {
        "view_mode": "fullscreen",
        "assets_path": _ASSETS,
        "websocket_url": hostmeta.websocket_url(base_url),
        "discover_connection_methods": False,
        "authentication": "login",
        "auto_reconnect": True,
        "allow_registration": False,
        "allow_logout": True,
        "i18n": language,
        "locales": ["ru", "en"],
        "default_domain": domains[0] if domains else "",
        "muc_domain": f"conference.{domains[0]}" if domains else "",
        "muc_nickname_from_jid": True,
        "auto_join_on_invite": True,
        "message_archiving": "always",
        "enable_smacks": True,
        "send_chat_state_notifications": True,
        "show_desktop_notifications": "all",
        "render_media": True,
        "allow_url_history_change": True,
        "blacklisted_plugins": ["converse-omemo", "converse-register", "converse-adhoc-views"],
        "loglevel": "warn",
    }
