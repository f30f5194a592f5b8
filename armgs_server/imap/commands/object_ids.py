# SPDX-License-Identifier: Apache-2.0
"""Object identifiers: RFC 8474. Made from what never changes, so that nothing is kept for them.

A mailbox is its owner and number; a message its bytes' hash, wherever it lies; a thread the first message
that its messages refer to.
"""

from __future__ import annotations

import hashlib

from armgs_server.storage.collections import Collection


def mailbox_id(collection: Collection) -> str:
    """RFC 8474 §4.1: stays when the mailbox is renamed."""
    return f"F{collection.owner}-{collection.id}"


def email_id(digest: bytes) -> bytes:
    """RFC 8474 §5.1: the same for copies of a message."""
    return b"M" + digest[:16].hex().encode("ascii")


def thread_id(message_id: str, refs: str) -> bytes | None:
    """RFC 8474 §5.2: None for a message that nothing can refer to."""
    root = refs.split(" ", 1)[0] if refs else message_id
    if not root:
        return None
    return b"T" + hashlib.sha256(root.encode("utf-8")).hexdigest()[:32].encode("ascii")
