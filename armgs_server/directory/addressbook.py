# SPDX-License-Identifier: Apache-2.0
"""The department's address book: a card for each person, room, piece of equipment and outside contact in use.

A card is written in vCard 3.0 (RFC 2426), which every client reads, with IMPP of RFC 4770; it is kept in the
transaction that changes the principal and never edited through CardDAV. Its bytes depend only on the
directory, so that an unchanged card keeps its ETag.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Set
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from armgs_server.directory import lookup, unit_books
from armgs_server.directory.model import ORGANISATION, Principal
from armgs_server.directory.surroundings import Surroundings
from armgs_server.directory.unit_books import Kept
from armgs_server.formats import vcard
from armgs_server.storage import cards
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

NAME: Final = "directory"
NO_LIMIT: Final = 1 << 31
KINDS: Final = ("person", "room", "equipment", "contact")
LINE_LIMIT: Final = 75  # octets without the line break, RFC 2426 §2.6

_NAMESPACE: Final = uuid.UUID("5c7f4f0e-2f5b-5d0e-9d0c-7a3f6f0c5a11")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_SPECIAL: Final = re.compile(r"[\x00-\x1f\x7f\\,;]")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", ",": "\\,", ";": "\\;", "\n": "\\n"})


async def put(
    tx: Tx, principal: Principal, around: Surroundings | None = None, *, is_new: bool = False
) -> None:
    """Brings the card in step with the principal; one who is disabled has none. `is_new`: it has none yet."""
    if principal.kind not in KINDS:
        return
    if principal.disabled:
        await remove(tx, principal)
        return
    around = around or Surroundings()
    unit = await around.find(tx, principal.unit) if principal.unit else None
    department = await around.find(tx, principal.department)
    assert department is not None, "a department with people in it is not deleted"
    aliases = [] if is_new else await lookup.aliases(tx, principal.id)
    text = card(principal, department.name, unit.name if unit else "", aliases)
    ref = BlobRef(hashlib.sha256(text).digest(), len(text), text)
    kept = Kept(card_name(principal), ref, cards.indexed(vcard.check(text)))
    await unit_books.put_in(tx, await around.book(tx, principal.department, NAME), kept, is_new=is_new)
    await unit_books.follow(tx, principal, kept, around, is_new=is_new)


async def put_heads(tx: Tx, department: int, units: Set[int]) -> None:
    """Brings the cards in step of those who lead one of the units (0: the department), below which another
    has come or gone."""
    around = Surroundings()
    for head in await lookup.heads(tx, department, NO_LIMIT):
        if not units.isdisjoint(head.led):
            await put(tx, head, around)


async def remove(tx: Tx, principal: Principal) -> None:
    """Takes the card out of the book."""
    if principal.kind not in KINDS:
        return
    book = await book_of(tx, principal.department)
    await unit_books.take_from(tx, book, card_name(principal))
    await unit_books.forget(tx, principal, card_name(principal))


async def book_of(tx: Tx, department: int) -> Collection:
    """The department's address book."""
    return await Surroundings().book(tx, department, NAME)


def card_uid(principal: Principal) -> str:
    """The card's UID: the same for the same principal, on every server that has it restored."""
    return _card_uid(principal.id, principal.address)


@lru_cache(maxsize=1024)  # asked for several times for each card
def _card_uid(principal_id: int, address: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{principal_id}/{address}"))


def card_name(principal: Principal) -> str:
    """The card's name in the collection."""
    return f"{card_uid(principal)}.vcf"


def card(principal: Principal, department: str, unit: str, aliases: list[str]) -> bytes:
    """The principal as a vCard."""
    data = principal.data
    if principal.kind == "contact":
        department, unit = str(data.get(ORGANISATION, "")), ""
    first, *others = principal.mails or (principal.address,)
    lines = [
        "BEGIN:VCARD",
        "VERSION:3.0",
        "PRODID:-//armgs_server//directory//EN",
        f"UID:{card_uid(principal)}",
        f"FN:{_escape(principal.name)}",
        # RFC 2426 §3.1.2: family, given, additional, prefixes, suffixes
        "N:" + ";".join(_escape(part) for part in _structured_name(principal)),
        f"EMAIL;TYPE=INTERNET,PREF:{first}",
        *(f"EMAIL;TYPE=INTERNET:{alias}" for alias in (*others, *aliases)),
    ]
    if department:
        lines.append(f"ORG:{_escape(department)};{_escape(unit)}" if unit else f"ORG:{_escape(department)}")
    if principal.kind == "person":
        lines.append(f"IMPP;TYPE=WORK,PREF:xmpp:{quote(principal.address, safe='@')}")  # RFC 5122 §2.2
    if principal.post:
        lines.append(f"TITLE:{_escape(principal.post)}")
    for key, kind in (("telephone", "WORK,VOICE"), ("mobile", "CELL,VOICE")):
        if data.get(key):
            lines.append(f"TEL;TYPE={kind}:{_escape(str(data[key]))}")
    if data.get("capacity"):
        lines.append(f"X-CAPACITY:{int(data['capacity'])}")
    if principal.kind in ("room", "equipment"):
        lines.append(f"CATEGORIES:{principal.kind}")
    lines.append("END:VCARD")
    return b"".join(_fold(line) for line in lines)


def _structured_name(principal: Principal) -> tuple[str, str, str, str, str]:
    data = principal.data
    if data.get("family"):
        return str(data["family"]), str(data.get("given", "")), str(data.get("additional", "")), "", ""
    return principal.name, "", "", "", ""


def _escape(text: str) -> str:
    return _CONTROL.sub(" ", text).translate(_ESCAPES) if _SPECIAL.search(text) else text


def _fold(line: str) -> bytes:
    """The line with CRLF, folded at 75 octets between characters (RFC 2426 §2.6)."""
    whole = line.encode()
    if len(whole) <= LINE_LIMIT:
        return whole + b"\r\n"
    parts: list[bytes] = []
    part = b""
    for character in line:
        encoded = character.encode()
        if len(part) + len(encoded) > LINE_LIMIT:
            parts.append(part)
            part = b" "
        part += encoded
    return b"\r\n".join([*parts, part]) + b"\r\n"
