# SPDX-License-Identifier: Apache-2.0
"""XEP-0359: Unique and Stable Stanza IDs: the archive id as `<stanza-id/>` in what is delivered."""

from __future__ import annotations

from armgs_server.formats.xmltree import quote
from armgs_server.xmpp.stanza import Child, Stanza

NAMESPACE = "urn:xmpp:sid:0"
FEATURES = (NAMESPACE,)
_QUALIFIED = f"{NAMESPACE} stanza-id"
_END = b"</message>"


def forged(stanza: Stanza) -> list[Child]:
    """§3.1: a client cannot know an id that the server will give; what it put there is taken out."""
    if not any(mark[0] == _QUALIFIED for mark in stanza.marks):
        return []
    return [child for child in stanza.children if child.name == "stanza-id" and child.xmlns == NAMESPACE]


def stamp(message: bytes, *, by: str, stanza_id: int) -> bytes:
    """The message with one more child."""
    child = f"<stanza-id xmlns='{NAMESPACE}' by='{quote(by)}' id='{stanza_id}'/></message>".encode()
    return message[: -len(_END)] + child
