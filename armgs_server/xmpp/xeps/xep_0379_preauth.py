# SPDX-License-Identifier: Apache-2.0
"""XEP-0379: Pre-Authenticated Roster Subscription: who has a token of mine need not wait for my answer.

The server makes the tokens (XEP-0401 §4.1), so it answers in the inviter's place, online or not.
"""

from __future__ import annotations

from armgs_server.xmpp.stanza import Stanza

NAMESPACE = "urn:xmpp:pars:0"
_TOKEN_LIMIT = 200  # characters


def token_of(presence: Stanza) -> str:
    """§3.4: the token in a subscription request; "" where there is none."""
    if not presence.has("preauth", NAMESPACE):
        return ""
    for child in presence.tree():
        if child.tag == f"{{{NAMESPACE}}}preauth":
            return (child.get("token") or "")[:_TOKEN_LIMIT]
    return ""
