# SPDX-License-Identifier: Apache-2.0
"""LIST, LSUB, NAMESPACE: RFC 3501 §6.3.8, §6.3.9, LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819),
SPECIAL-USE (RFC 6154), CHILDREN (RFC 3348), NAMESPACE (RFC 2342), LIST-MYRIGHTS (RFC 8440),
LIST-METADATA (RFC 9590)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from armgs_server.directory import Rights
from armgs_server.directory.access import serialise_rights
from armgs_server.imap.chats import refresh_opened
from armgs_server.imap.command import Ok
from armgs_server.imap.commands.list_entries import Entry, levels_above, read_entries
from armgs_server.imap.commands.metadata import entry_name, mailbox_entries, metadata_line
from armgs_server.imap.commands.status import count, status_items, status_line
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.mailbox_names import INBOX, check_pattern, is_match, normalise
from armgs_server.imap.namespaces import OTHER_USERS, SHARED
from armgs_server.imap.responses import bad
from armgs_server.storage import chat_folders, subscriptions

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# use-attr (RFC 6154 §2) <-> collection.role
ROLES: Mapping[str, str] = {
    "\\ARCHIVE": "archive",
    "\\DRAFTS": "drafts",
    "\\JUNK": "junk",
    "\\SENT": "sent",
    "\\TRASH": "trash",
}
_ATTRIBUTES = {role: f"\\{role.capitalize()}" for role in ROLES.values()}


@dataclass(slots=True)
class Request:
    """LIST's options; the defaults are those of LIST "" pattern."""

    reference: str = ""
    patterns: list[str] = field(default_factory=list)
    only_subscribed: bool = False
    recursive: bool = False
    only_special_use: bool = False
    show_subscribed: bool = False
    show_rights: bool = False
    show_status: list[str] = field(default_factory=list)
    show_metadata: list[str] = field(default_factory=list)

    @property
    def wanted(self) -> list[str]:
        return [normalise(self.reference + pattern) for pattern in self.patterns]


async def handle_list(session: Session, cursor: Cursor) -> Ok:
    cursor.space()
    request = _parse(cursor)
    if request.patterns == [""]:  # RFC 3501 §6.3.8: asks for the delimiter only
        session.write(b'* LIST (\\Noselect) "/" ""\r\n')
        return Ok("LIST completed")
    wanted = request.wanted
    found = await read_entries(session)
    matching = {entry.name for entry in found if any(_matches(pattern, entry.name) for pattern in wanted)}
    informed = _parents_of_unmatched(found, matching) if request.recursive else frozenset()
    for entry in found:
        has_child_info = entry.name in informed
        if entry.name in matching and _is_chosen(request, entry, has_child_info=has_child_info):
            session.writelines(await entry_lines(session, request, entry, has_child_info=has_child_info))
    if request.only_subscribed and not request.only_special_use:
        for name in await _names_left(session, found, wanted):
            session.write(b'* LIST (\\NonExistent \\Subscribed) "/" %b\r\n' % session.name(name))
    return Ok("LIST completed")


async def _names_left(session: Session, found: Sequence[Entry], wanted: Sequence[str]) -> list[str]:
    """Subscribed names whose mailboxes are not there (RFC 3501 §6.3.6, RFC 5258 §3.1)."""
    owner = session.owner
    names = await session.core.store.read(lambda tx: subscriptions.names(tx, owner))
    there = {entry.name for entry in found if entry.is_subscribed}
    return [name for name in names if name not in there and any(is_match(each, name) for each in wanted)]


def _parents_of_unmatched(found: Iterable[Entry], matching: Set[str]) -> frozenset[str]:
    """RFC 5258 §3.1: who has something subscribed below that the patterns do not match themselves."""
    parents: set[str] = set()
    for entry in found:
        if entry.is_subscribed and entry.name not in matching:
            parents.update(levels_above(entry.name))
    return frozenset(parents)


def _is_chosen(request: Request, entry: Entry, *, has_child_info: bool) -> bool:
    if request.only_special_use and _use(entry) is None:
        return False
    return not request.only_subscribed or entry.is_subscribed or has_child_info


def _use(entry: Entry) -> str | None:
    """The special use of a mailbox; what somebody else has for drafts is not what the person has."""
    if entry.collection is None or entry.name.startswith((OTHER_USERS, SHARED)):
        return None
    return _ATTRIBUTES.get(entry.collection.role)


async def entry_lines(
    session: Session, request: Request, entry: Entry, *, has_child_info: bool
) -> list[bytes]:
    attributes = ["\\HasChildren" if entry.has_children else "\\HasNoChildren"]
    if not entry.is_selectable:  # RFC 9051 §7.3.1: rev1 knows no \NonExistent without LIST-EXTENDED
        attributes.insert(0, "\\NonExistent" if session.is_rev2 else "\\Noselect")
    if (use := _use(entry)) is not None:
        attributes.append(use)
    if entry.is_subscribed and (request.show_subscribed or request.only_subscribed):
        attributes.append("\\Subscribed")
    name = session.name(entry.name)
    ending = b' ("CHILDINFO" ("SUBSCRIBED"))\r\n' if has_child_info else b"\r\n"
    lines = [b'* LIST (%b) "/" %b%b' % (" ".join(attributes).encode("ascii"), name, ending)]
    collection = entry.collection
    if collection is None or not entry.is_selectable:
        return lines
    rights = await session.reach.rights(collection)
    if request.show_status and Rights.READ in rights:
        if chat_folders.is_inside(collection):
            collection = await refresh_opened(session.core, collection)
        counts = await count(session, collection, request.show_status)
        lines.append(status_line(name, collection, request.show_status, counts))
    if request.show_rights:
        lines.append(b"* MYRIGHTS %b %b\r\n" % (name, serialise_rights(rights).encode("ascii")))
    if request.show_metadata:
        values = await mailbox_entries(session, collection, request.show_metadata)
        lines.append(metadata_line(name, values))
    return lines


def _matches(pattern: str, name: str) -> bool:
    """RFC 3501 §5.1: INBOX has no case, in patterns neither."""
    return is_match(pattern, name) or (name == INBOX and is_match(pattern.upper(), INBOX))


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
    elif option == "MYRIGHTS":
        request.show_rights = True
    elif option == "METADATA":  # RFC 9590 §3
        cursor.space()
        request.show_metadata = cursor.parenthesised(lambda: entry_name(cursor))
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
    found = await read_entries(session)
    for entry in found:
        if not _matches(pattern, entry.name):
            continue
        if entry.is_subscribed:
            session.write(b'* LSUB () "/" %b\r\n' % session.name(entry.name))
        elif entry.subscribed_below and pattern.endswith("%"):
            session.write(b'* LSUB (\\Noselect) "/" %b\r\n' % session.name(entry.name))
    for left in await _names_left(session, found, [pattern]):
        session.write(b'* LSUB () "/" %b\r\n' % session.name(left))
    return Ok("LSUB completed")


async def handle_namespace(session: Session, cursor: Cursor) -> Ok:
    """RFC 2342 §5"""
    cursor.end()
    session.write(f'* NAMESPACE (("" "/")) (("{OTHER_USERS}/" "/")) (("{SHARED}/" "/"))\r\n'.encode("ascii"))
    return Ok("NAMESPACE completed")
