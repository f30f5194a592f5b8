# SPDX-License-Identifier: Apache-2.0
"""In whose name a submitted message is written: From:, Sender: (RFC 5322 §3.6.2, RFC 6409 §8.1).

Every address in From: is one the person may send as, or may write on behalf of; then Sender: says who wrote
it, and is added where the client has not done so.
"""

from __future__ import annotations

from armgs_server.directory.model import Principal
from armgs_server.directory.posts import has_mailbox
from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.formats.addresses import Address
from armgs_server.service import Core
from armgs_server.smtp import header


async def sender_field(core: Core, author: Principal, head: bytes, reverse_path: str) -> bytes | None:
    """The Sender: field to add, b"" for none; None where the person may not write in that name."""
    written = header.authors(head, "from")
    if written is None:
        return None
    needs_sender = False
    for address in written or _own(reverse_path):
        if await core.directory.may_send_as(author, address.normalised):
            continue
        if not await core.directory.may_send_for(author, address.normalised):
            return None
        needs_sender = True
    if not needs_sender:
        return b""
    senders = header.authors(head, "sender")
    if senders is None or len(senders) > 1:
        return None
    if not senders:  # RFC 6409 §8.1
        return f"Sender: <{author.address}>\r\n".encode()
    return b"" if await core.directory.may_send_as(author, senders[0].normalised) else None


async def sent_owner(core: Core, author: Principal, head: bytes, reverse_path: str) -> int:
    """The group in whose Sent mailbox the message belongs; 0 for none."""
    if not core.config.smtp.sent_copies:
        return 0
    for address in header.authors(head, "from") or _own(reverse_path):
        found = await core.directory.resolve(address.normalised)
        if found is not None and found.id != author.id and found.kind == "group" and has_mailbox(found):
            return found.id
    return 0


def _own(reverse_path: str) -> list[Address]:
    """A message without From: gets the reverse-path as its author (RFC 6409 §8)."""
    try:
        return [addresses.parse(reverse_path)] if reverse_path else []
    except Invalid:
        return []
