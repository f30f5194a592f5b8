# SPDX-License-Identifier: Apache-2.0
"""Which mailboxes are meant: filter-mailboxes of NOTIFY (RFC 5465 §6), and of ESEARCH with subtree-one
(RFC 7377 §2.2)."""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server.imap.commands.list_entries import Entry
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.mailbox_names import DELIMITER
from armgs_server.imap.namespaces import OTHER_USERS, SHARED
from armgs_server.imap.responses import bad

SELECTED, SELECTED_DELAYED = "SELECTED", "SELECTED-DELAYED"
_PLAIN = (SELECTED, SELECTED_DELAYED, "INBOXES", "PERSONAL", "SUBSCRIBED")
_NAMED = ("SUBTREE", "SUBTREE-ONE", "MAILBOXES")


@dataclass(frozen=True, slots=True)
class MailboxFilter:
    """One filter; `names` are of those that name mailboxes."""

    kind: str
    names: tuple[str, ...] = ()

    @property
    def is_of_selected(self) -> bool:
        return self.kind in (SELECTED, SELECTED_DELAYED)

    def is_match(self, entry: Entry) -> bool:
        """Of any mailbox but the selected one."""
        name = entry.name
        match self.kind:
            # RFC 5465 §6.2: rules deliver to any of the person's mailboxes, so they are all inboxes.
            case "INBOXES" | "PERSONAL":
                return is_personal(name)
            case "SUBSCRIBED":
                return entry.is_subscribed
            case "MAILBOXES":
                return name in self.names
            case "SUBTREE":
                return any(name == each or name.startswith(each + DELIMITER) for each in self.names)
            case "SUBTREE-ONE":
                return name in self.names or name.rpartition(DELIMITER)[0] in self.names
        return False


def is_personal(name: str) -> bool:
    """Whether it is in the personal namespace (RFC 2342)."""
    return name.partition(DELIMITER)[0] not in (OTHER_USERS, SHARED)


def parse_filter(cursor: Cursor, *, subtree_one: bool = False) -> MailboxFilter:
    """filter-mailboxes; one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")" """
    kind = cursor.atom()
    if kind in _PLAIN:
        return MailboxFilter(kind)
    if kind not in _NAMED or (kind == "SUBTREE-ONE" and not subtree_one):
        raise bad(f"no such mailbox filter: {kind}")
    cursor.space()
    names = cursor.parenthesised(cursor.mailbox) if cursor.peek() == b"(" else [cursor.mailbox()]
    if not names:
        raise bad("mailbox name expected")
    return MailboxFilter(kind, tuple(names))
