# SPDX-License-Identifier: Apache-2.0
"""XEP-0115: Entity Capabilities of the server, told in its stream features (§6.3)."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from armgs_server.xmpp.stanza import element
from armgs_server.xmpp.xeps import xep_0157_contacts

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

NAMESPACE = "http://jabber.org/protocol/caps"
FEATURES = (NAMESPACE,)
# XEP-0030 identities of the server: category, type, name.
IDENTITIES = (("server", "im", "armgs"),)


def stream_feature(domain: str, ver: str) -> bytes:
    """`<c/>`, so that a client that knows the hash need not ask."""
    attributes = {"xmlns": NAMESPACE, "hash": "sha-1", "node": _node(domain), "ver": ver}
    return element("c", attributes)


def node_with_hash(server: Server, domain: str) -> str:
    """§6.2: the node a client asks about."""
    return f"{_node(domain)}#{hash_of(server)}"


def verification_string(
    identities: tuple[tuple[str, str, str], ...], features: tuple[str, ...], form: list[str]
) -> str:
    """§5.1, for an entity with identities in no language, and at most one form."""
    parts = sorted(f"{category}/{type_}//{name}" for category, type_, name in identities)
    return digest(parts + sorted(set(features)) + form)


def digest(parts: list[str]) -> str:
    """§5.1, the last step: what `ver` says."""
    joined = "".join(f"{part}<" for part in parts)
    return base64.b64encode(hashlib.sha1(joined.encode()).digest()).decode()


def _node(domain: str) -> str:
    return f"https://{domain}/"


def hash_of(server: Server) -> str:
    """What the server's `ver` says."""
    if not server.caps_hash:
        form = xep_0157_contacts.parts(server.config)
        server.caps_hash = verification_string(IDENTITIES, server.features, form)
    return server.caps_hash
