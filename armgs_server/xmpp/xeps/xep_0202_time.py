# SPDX-License-Identifier: Apache-2.0
"""XEP-0202: Entity Time, in UTC."""

from __future__ import annotations

from armgs_server.storage import clock
from armgs_server.xmpp.iq import SERVER, Query, Route
from armgs_server.xmpp.stanza import element, text_element
from armgs_server.xmpp.xeps.xep_0160_offline import timestamp

NAMESPACE = "urn:xmpp:time"
FEATURES = (NAMESPACE,)


async def handle_get(query: Query) -> bytes:
    inner = text_element("tzo", "+00:00") + text_element("utc", timestamp(clock.now()))
    return element("time", {"xmlns": NAMESPACE}, inner)


ROUTES = (Route("get", NAMESPACE, "time", SERVER, handle_get, outside=True),)
