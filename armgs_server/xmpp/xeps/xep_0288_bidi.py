# SPDX-License-Identifier: Apache-2.0
"""XEP-0288: Bidirectional Server-to-Server Connections: its elements. The streams are in `federation/`."""

from __future__ import annotations

from armgs_server.xmpp.stanza import element

NAMESPACE = "urn:xmpp:bidi"
FEATURE = "urn:xmpp:features:bidi"
STREAM_FEATURE = element("bidi", {"xmlns": FEATURE})
ENABLE = element("bidi", {"xmlns": NAMESPACE})
