# SPDX-License-Identifier: Apache-2.0
"""LIST, LSUB, NAMESPACE: RFC 3501 §6.3.8, §6.3.9, LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819),
SPECIAL-USE (RFC 6154), CHILDREN (RFC 3348), NAMESPACE (RFC 2342)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from armgs_server.imap.command import Ok
from armgs_server.imap.commands.status import status_items, status_line
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.mailbox_names import (
    DELIMITER,
    INBOX,
    check_pattern,
    encode_mailbox,
    is_match,
    normalise,
)
from armgs_server.imap.responses import astring, bad
from armgs_server.storage import collections, subscriptions
from armgs_server.storage.collections import Collection

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

KIND = "mail"
# use-attr (RFC 6154 §2) <-> collection.role
ROLES: Mapping[str, str] = {
    "\\ARCHIVE": "archive",
    "\\DRAFTS": "drafts",
    "\\JUNK": "junk",
    "\\SENT": "sent",
    "\\TRASH": "trash",
}
_ATTRIBUTES = {role: name.capitalize() for name, role in ROLES.items()} | {
    role: f"\\{role.capitalize()}" for role in ROLES.values()
}


@dataclass(slots=True)
class Request:
    """LIST's options; the defaults are those of LIST "" pattern."""

    reference: str = ""
    patterns: list[str] = field(default_factory=list)
    only_subscribed: bool = False
    recursive: bool = False
    only_special_use: bool = False
    show_subscribed: bool = False
    show_status: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Entry:
    """One mailbox with its whole name."""

    name: str
    collection: Collection
    has_children: bool
    subscribed_below: bool


def entries(mailboxes: Iterable[Collection]) -> list[Entry]:
    """Whole names of an account's mailboxes, in the order of the names, INBOX first."""
    by_id = {each.id: each for each in mailboxes}
    names: dict[int, str] = {}

    def name_of(number: int) -> str:
        if number not in names:
            each = by_id[number]
            above = name_of(each.parent) + DELIMITER if each.parent in by_id else ""
            names[number] = above + each.name
        return names[number]

    parents = {each.parent for each in by_id.values()}
    subscribed_below: set[int] = set()
    for each in by_id.values():
        parent = each.parent if each.subscribed else 0
        while parent in by_id and parent not in subscribed_below:
            subscribed_below.add(parent)
            parent = by_id[parent].parent
    found = [
        Entry(name_of(each.id), each, each.id in parents, each.id in subscribed_below)
        for each in by_id.values()
    ]
    found.sort(key=lambda entry: (entry.collection.role != "inbox", entry.name.casefold(), entry.name))
    return found


async def handle_list(session: Session, cursor: Cursor) -> Ok:
    cursor.space()
    request = _parse(cursor)
    if request.patterns == [""]:  # RFC 3501 §6.3.8: asks for the delimiter only
        session.write(b'* LIST (\\Noselect) "/" ""\r\n')
        return Ok("LIST completed")
    session.writelines(_lines(request, await _read(session)))
    if request.only_subscribed and not request.only_special_use:
        patterns = [normalise(request.reference + pattern) for pattern in request.patterns]
        for name in await _names_left(session, patterns):
            session.write(b'* LIST (\\NonExistent \\Subscribed) "/" %b\r\n' % name)
    return Ok("LIST completed")


async def _read(session: Session) -> list[Entry]:
    owner = session.owner
    return entries(await session.core.store.read(lambda tx: collections.all_of(tx, owner, KIND)))


async def _names_left(session: Session, patterns: Iterable[str]) -> list[bytes]:
    """Subscribed names whose mailboxes were deleted (RFC 3501 §6.3.6, RFC 5258 §3.1)."""
    owner = session.owner
    names = await session.core.store.read(lambda tx: subscriptions.names(tx, owner))
    wanted = list(patterns)
    return [astring(encode_mailbox(name)) for name in names if any(is_match(each, name) for each in wanted)]


def _lines(request: Request, found: Iterable[Entry]) -> list[bytes]:
    patterns = [normalise(request.reference + pattern) for pattern in request.patterns]
    lines: list[bytes] = []
    for entry in found:
        if not any(_matches(pattern, entry) for pattern in patterns):
            continue
        is_subscribed = bool(entry.collection.subscribed)
        child_info = request.recursive and entry.subscribed_below
        if request.only_subscribed and not is_subscribed and not child_info:
            continue
        attributes = ["\\HasChildren" if entry.has_children else "\\HasNoChildren"]
        use = _ATTRIBUTES.get(entry.collection.role)
        if request.only_special_use and use is None:
            continue
        if use is not None:
            attributes.append(use)
        if is_subscribed and (request.show_subscribed or request.only_subscribed):
            attributes.append("\\Subscribed")
        name = astring(encode_mailbox(entry.name))
        ending = b' ("CHILDINFO" ("SUBSCRIBED"))\r\n' if child_info else b"\r\n"
        shown = " ".join(attributes).encode("ascii")
        lines.append(b'* LIST (%b) "/" %b%b' % (shown, name, ending))
        if request.show_status:
            lines.append(status_line(name, entry.collection, request.show_status, None))
    return lines


def _matches(pattern: str, entry: Entry) -> bool:
    """RFC 3501 §5.1: INBOX has no case, in patterns neither."""
    return is_match(pattern, entry.name) or (entry.name == INBOX and is_match(pattern.upper(), INBOX))


def _parse(cursor: Cursor) -> Request:
    """list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts] (RFC 5258 §6)"""
    request = Request()
    if cursor.peek() == b"(":
        _select_options(request, cursor.parenthesised(cursor.atom))
        cursor.space()
    request.reference = cursor.mailbox()
    cursor.space()
    if cursor.peek() == b"(":
        request.patterns = cursor.parenthesised(cursor.list_mailbox)
    else:
        request.patterns = [cursor.list_mailbox()]
    for pattern in request.patterns:
        check_pattern(request.reference + pattern)
    if not cursor.is_at_end():
        cursor.space()
        cursor.expect(b"RETURN")
        cursor.space()
        cursor.parenthesised(lambda: _return_option(request, cursor))
    cursor.end()
    return request


def _select_options(request: Request, options: list[str]) -> None:
    for option in options:
        if option == "SUBSCRIBED":
            request.only_subscribed = True
        elif option == "RECURSIVEMATCH":
            request.recursive = True
        elif option == "SPECIAL-USE":
            request.only_special_use = True
        elif option != "REMOTE":  # there are no remote mailboxes
            raise bad(f"no such selection option: {option}")
    if request.recursive and not request.only_subscribed:  # RFC 5258 §3.1
        raise bad("RECURSIVEMATCH needs another option")


def _return_option(request: Request, cursor: Cursor) -> None:
    option = cursor.atom()
    if option == "SUBSCRIBED":
        request.show_subscribed = True
    elif option == "STATUS":
        cursor.space()
        request.show_status = status_items(cursor)
    elif option not in ("CHILDREN", "SPECIAL-USE"):  # both are shown always
        raise bad(f"no such return option: {option}")


async def handle_lsub(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.3.9. With "%", the level above a subscribed mailbox is shown, with \\Noselect."""
    cursor.space()
    reference = cursor.mailbox()
    cursor.space()
    pattern = normalise(reference + cursor.list_mailbox())
    cursor.end()
    check_pattern(pattern)
    for entry in await _read(session):
        if not _matches(pattern, entry):
            continue
        name = astring(encode_mailbox(entry.name))
        if entry.collection.subscribed:
            session.write(b'* LSUB () "/" %b\r\n' % name)
        elif entry.subscribed_below and pattern.endswith("%"):
            session.write(b'* LSUB (\\Noselect) "/" %b\r\n' % name)
    for left in await _names_left(session, [pattern]):
        session.write(b'* LSUB () "/" %b\r\n' % left)
    return Ok("LSUB completed")


async def handle_namespace(session: Session, cursor: Cursor) -> Ok:
    """RFC 2342 §5: everything is personal so far."""
    cursor.end()
    session.write(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
    return Ok("NAMESPACE completed")
