# SPDX-License-Identifier: Apache-2.0
"""Principals: everything that has a name and may own, belong or be allowed.

One tree: a department has units, units have units and people; groups, rooms and equipment belong to a
department. One address is the mail address, the JID, the calendar principal and the log-in name; it is
kept in the spelling of `formats.addresses.normalise`. A department's address is its first domain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, cast

from armgs_server.errors import Denied, Invalid
from armgs_server.formats.addresses import normalise
from armgs_server.storage.tx import Row

Kind: TypeAlias = Literal["department", "unit", "person", "group", "room", "equipment", "contact", "chatroom"]

# Bus topics. The data is a principal's number; what it says is "read again".
TOPIC: Final = "directory"
TOPIC_DOMAINS: Final = "domains"
TOPIC_KICK: Final = "kick"
TOPIC_KICK_DEVICE: Final = "kick-device"  # "PRINCIPAL DEVICE"

COLUMNS: Final = "id, kind, address, name, department, unit, post, head, disabled, data"
MAILS: Final = "mails"  # of a contact's data: its addresses elsewhere (directory.contacts)
ORGANISATION: Final = "organisation"
HOSTS: Final = "hosts"  # of a person's data: the only addresses to log in from
POLICY: Final = "policy"  # of a department's data: see directory.policy
# Of a person's data: what the directory itself writes there, and nobody as an attribute.
INTERNAL: Final = frozenset(
    ("own", "units", "led", "senders", "delegates", "successor", "invited_by", "made", MAILS, HOSTS, POLICY)
)
NAME_LIMIT: Final = 500  # characters of a name or a post
DATA_LIMIT: Final = 64 * 1024  # bytes of a principal's JSON

# RFC 7622 §3.3.1: these may not stand in a localpart, which every address here also is; "+" separates
# the detail of a sub-address (RFC 5233), so no address of its own has one.
_NOT_IN_LOCAL = re.compile(r"[\"&'/:<>@+\s]")

_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Disabled(Denied):
    """The account is disabled."""


class Expired(Denied):
    """The password is too old: it is to be changed on the pages. App passwords are good."""


@dataclass(frozen=True, slots=True)
class Principal:
    """One row of the directory. `address` is "" where there is none, `unit` 0 directly under the department.

    `head` is true for who leads the unit, or the department where `unit` is 0.
    """

    id: int
    kind: Kind
    address: str
    name: str
    department: int
    unit: int
    post: str
    head: bool
    disabled: bool
    data: Mapping[str, Any] = field(hash=False, compare=False)

    @property
    def units(self) -> tuple[int, ...]:
        """The unit, and those in which somebody holds another post (directory.terms)."""
        return (self.unit, *self.data.get("units", ()))

    @property
    def led(self) -> tuple[int, ...]:
        """The units that a head leads; 0 is the department."""
        return tuple(self.data.get("led", (self.unit,))) if self.head else ()

    @property
    def mails(self) -> tuple[str, ...]:
        """Where a contact is reached elsewhere, the first one first; nobody else has any."""
        return tuple(self.data.get(MAILS, ())) if self.kind == "contact" else ()

    @property
    def domain(self) -> str:
        """The address behind its @."""
        return self.address.rpartition("@")[2]


def from_row(row: Row) -> Principal:
    """A principal from the columns of COLUMNS."""
    id_, kind, address, name, department, unit, post, head, disabled, data = row
    return Principal(
        id_,
        cast(Kind, kind),
        address or "",
        name,
        department,
        unit,
        post,
        head != 0,
        disabled != 0,
        json.loads(data),
    )


def to_json(data: Mapping[str, Any]) -> str:
    """A principal's data as it is kept; keys whose value is None are left out."""
    text = json.dumps({key: value for key, value in data.items() if value is not None}, ensure_ascii=False)
    if _SURROGATE.search(text):
        raise Invalid("data holds half a character")
    if len(text.encode()) > DATA_LIMIT:
        raise Invalid(f"more than {DATA_LIMIT} bytes of data")
    return text


def check_address(text: str) -> str:
    """The normal spelling of an address that somebody here may have; Invalid says what is wrong with it."""
    address = normalise(text)
    local, at, _ = address.rpartition("@")
    if not at or _NOT_IN_LOCAL.search(local):
        raise Invalid(f"{text}: not an address that mail, chat and calendars can all have")
    return address


def check_name(text: str) -> str:
    """A name or post without spaces around it; Invalid where it is too long or holds a control character."""
    name = text.strip()
    if len(name) > NAME_LIMIT or _CONTROL.search(name):
        raise Invalid(f"a name has at most {NAME_LIMIT} characters, none of them a control character")
    return name
