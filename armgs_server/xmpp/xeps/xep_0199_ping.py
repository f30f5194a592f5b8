# SPDX-License-Identifier: Apache-2.0
"""XEP-0199: XMPP Ping, client to server (§4.2)."""

from __future__ import annotations

from armgs_server.xmpp.iq import ACCOUNT, SERVER, Query, Route

NAMESPACE = "urn:xmpp:ping"
FEATURES = (NAMESPACE,)
ACCOUNT_FEATURES = (NAMESPACE,)


async def handle_get(query: Query) -> bytes:
    return b""


ROUTES = (Route("get", NAMESPACE, "ping", SERVER | ACCOUNT, handle_get, outside=True),)
