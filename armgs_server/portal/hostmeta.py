# SPDX-License-Identifier: Apache-2.0
"""host-meta (RFC 6415) with the ways to the XMPP server other than TCP (XEP-0156).

The addresses are of the connection that a page can make: WebSocket (RFC 7395) first, BOSH (XEP-0124) where
something on the way does not let it through.
"""

from __future__ import annotations

import json
from xml.sax.saxutils import quoteattr

WEBSOCKET_PATH = "/xmpp-websocket"
BOSH_PATH = "/http-bind"
_ALTERNATIVE = "urn:xmpp:alt-connections:"  # XEP-0156 §2.1


def websocket_url(base_url: str) -> str:
    """https becomes wss, http becomes ws (RFC 6455 §3)."""
    return "ws" + base_url.removeprefix("http") + WEBSOCKET_PATH


def bosh_url(base_url: str) -> str:
    return base_url + BOSH_PATH


def xrd(base_url: str) -> bytes:
    """XEP-0156 §2.1: /.well-known/host-meta."""
    links = "".join(
        f"  <Link rel={quoteattr(rel)} href={quoteattr(href)}/>\n" for rel, href in _links(base_url)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">\n{links}</XRD>\n'
    ).encode()


def jrd(base_url: str) -> bytes:
    """XEP-0156 §2.1: /.well-known/host-meta.json."""
    links = [{"rel": rel, "href": href} for rel, href in _links(base_url)]
    return json.dumps({"links": links}, indent=1).encode() + b"\n"


def _links(base_url: str) -> tuple[tuple[str, str], ...]:
    return (
        (_ALTERNATIVE + "websocket", websocket_url(base_url)),
        (_ALTERNATIVE + "xbosh", bosh_url(base_url)),
    )
