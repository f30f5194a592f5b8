# SPDX-License-Identifier: Apache-2.0
"""Mailboxes as scripts name them: UTF-8, "/" between levels, INBOX in any case; special-use (RFC 6154)."""

from __future__ import annotations

import unicodedata
from typing import Final

from armgs_server.errors import AlreadyExists, Invalid
from armgs_server.formats.stream_safe import stream_safe
from armgs_server.storage import accounts, collections, mailboxes, restored
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

DELIMITER: Final = "/"
MAX_LEVELS: Final = 30
MAX_SEGMENT: Final = 255
ROLES: Final = {
    "\\archive": "archive",
    "\\drafts": "drafts",
    "\\inbox": "inbox",
    "\\junk": "junk",
    "\\sent": "sent",
    "\\trash": "trash",
}


def segments(name: str) -> list[str]:
    """The levels of a name; Invalid for one that no mailbox can have (as in imap.mailbox_names)."""
    levels = unicodedata.normalize("NFC", stream_safe(name)).split(DELIMITER)
    if levels[0].upper() == "INBOX":
        levels[0] = "INBOX"
    for level in levels:
        is_short = len(level.encode("utf-8", "replace")) <= MAX_SEGMENT
        if not level or level in (".", "..") or not level.isprintable() or not is_short:
            raise Invalid(f"{name[:60]!r} is not the name of a mailbox")
        if "%" in level or "*" in level:
            raise Invalid(f"{name[:60]!r} has a wildcard in it")
    if len(levels) > MAX_LEVELS:
        raise Invalid(f"{name[:60]!r} has too many levels")
    return levels


async def find(tx: Tx, owner: int, name: str) -> Collection | None:
    """The mailbox of that name, if messages may lie in it."""
    try:
        levels = segments(name)
    except Invalid:
        return None
    if levels == ["INBOX"]:
        return await collections.by_role(tx, owner, "mail", "inbox")
    found = await collections.by_path(tx, owner, "mail", levels)
    if found is None or mailboxes.is_empty_name(found) or restored.is_inside(found):
        return None
    return found


async def by_special_use(tx: Tx, owner: int, attribute: str) -> Collection | None:
    """The mailbox with an attribute of RFC 6154 §2."""
    role = ROLES.get(attribute.lower())
    return await collections.by_role(tx, owner, "mail", role) if role else None


async def name_of_role(tx: Tx, owner: int, attribute: str) -> str | None:
    """The full name of the mailbox with that attribute."""
    found = await by_special_use(tx, owner, attribute)
    if found is None:
        return None
    levels = [found.name]
    while found.parent:
        found = await collections.get(tx, owner, found.parent)
        levels.insert(0, found.name)
    return DELIMITER.join(levels)


async def make(tx: Tx, owner: int, name: str) -> Collection:
    """The mailbox of that name, made with all above it where it is not there (RFC 5490 §3.2). Invalid."""
    parent = 0
    found: Collection | None = None
    levels = segments(name)
    if levels == ["INBOX"]:
        found = await collections.by_role(tx, owner, "mail", "inbox")
        if found is not None:
            return found
    await accounts.hold(tx, [owner])  # another delivery may be making it just now
    for level in levels:
        found = await collections.find(tx, owner, "mail", level, parent)
        if found is None:
            found = await collections.create(tx, owner, "mail", level, parent=parent, subscribed=1)
        if restored.is_inside(found):
            raise Invalid(f"{name[:60]!r} is where expunged mail is kept")
        parent = found.id
    if found is None:
        raise AlreadyExists()
    return await mailboxes.revive(tx, found, "", 1) if mailboxes.is_empty_name(found) else found
