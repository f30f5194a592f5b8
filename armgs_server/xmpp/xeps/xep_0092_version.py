# SPDX-License-Identifier: Apache-2.0
"""XEP-0092: Software Version. The operating system is nobody's business (§4 lets it be left out)."""

from __future__ import annotations

from armgs_server import __version__
from armgs_server.xmpp.iq import SERVER, Query, Route
from armgs_server.xmpp.stanza import element, text_element

NAMESPACE = "jabber:iq:version"
FEATURES = (NAMESPACE,)


async def handle_get(query: Query) -> bytes:
    inner = text_element("name", "armgs_server") + text_element("version", __version__)
    return element("query", {"xmlns": NAMESPACE}, inner)


ROUTES = (Route("get", NAMESPACE, "query", SERVER, handle_get, outside=True),)
