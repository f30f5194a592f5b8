# SPDX-License-Identifier: Apache-2.0
"""Entries: principals, departments and the folders between them, as attributes and values.

    dc=digital,dc=example                               the department of digital.example
    ou=people|units|groups|rooms|equipment|contacts,dc=… its folders
    uid=ivanov@digital.example,ou=people,dc=…           a principal, by its address; what has none here is
                                                        uid=unit-NUMBER, uid=contact-NUMBER

A name holds nothing that changes when somebody moves, marries or is promoted (RFC 4514 §1 leaves that to us).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from armgs_server.directory.addressbook import card_uid
from armgs_server.directory.directory import Directory
from armgs_server.directory.index import Index
from armgs_server.directory.index_contents import Listed
from armgs_server.directory.model import ORGANISATION, Principal
from armgs_server.formats.addresses import to_ascii
from armgs_server.ldap.dn import escape, of_domain

SUBSCHEMA: Final = "cn=subschema"
# Folder → the kind of principals in it.
FOLDERS: Final[Mapping[str, str]] = {
    "people": "person",
    "units": "unit",
    "groups": "group",
    "rooms": "room",
    "equipment": "equipment",
    "contacts": "contact",
}
_FOLDER_OF: Final = {kind: folder for folder, kind in FOLDERS.items()}
_PERSON: Final = ["top", "person", "organizationalPerson", "inetOrgPerson", "jabberUser"]
_GROUP: Final = ["top", "groupOfNames", "extensibleObject"]
CLASSES: Final[Mapping[str, list[str]]] = {
    "person": _PERSON,
    "unit": _GROUP,
    "group": _GROUP,
    "room": ["top", "room", "extensibleObject"],
    "equipment": ["top", "device", "extensibleObject"],
    "contact": ["top", "person", "organizationalPerson", "inetOrgPerson"],
}
_STRUCTURAL: Final = {
    "person": "inetOrgPerson",
    "unit": "groupOfNames",
    "group": "groupOfNames",
    "room": "room",
    "equipment": "device",
    "contact": "inetOrgPerson",
}
NUMBERED: Final = ("unit", "contact")  # what is named by its number
# Attributes that are made only where somebody asks for them; all but the operational ones go with "*".
DEMANDED: Final = frozenset(("member", "manager", "memberOf", "entryUUID"))
_ID_OCTETS = 5  # of an entryUUID, at its end
_MOST_UNITS = 100  # one below the other

Attributes = dict[str, list[str]]
Departments = Mapping[int, Principal]  # those the asker may look into


@dataclass(frozen=True, slots=True)
class Entry:
    """`id` is the principal's; 0 for what is none."""

    id: int
    dn: str
    attributes: Attributes


def suffix(department: Principal) -> str:
    """The name of a department's entry."""
    return of_domain(department.address)


def department_entry(department: Principal) -> Entry:
    """RFC 2247 §5: an organization with the dc that its name needs."""
    dn = suffix(department)
    attributes = {
        "objectClass": ["top", "organization", "dcObject"],
        "o": [department.name],
        "dc": [to_ascii(department.address).partition(".")[0]],
        "structuralObjectClass": ["organization"],
    }
    return _with_operational(0, dn, attributes, has_subordinates=True)


def folder_entry(department: Principal, folder: str) -> Entry:
    """What holds all of one kind."""
    attributes = {
        "objectClass": ["top", "organizationalUnit"],
        "ou": [folder],
        "structuralObjectClass": ["organizationalUnit"],
    }
    dn = f"ou={folder},{suffix(department)}"
    return _with_operational(0, dn, attributes, has_subordinates=True)


def entry_uuid(principal: Principal) -> str:
    """RFC 4530: made of the card's UID and, at its end, of the number by which it is found again."""
    number = principal.id.to_bytes(_ID_OCTETS, "big")
    return str(uuid.UUID(bytes=uuid.UUID(card_uid(principal)).bytes[:-_ID_OCTETS] + number))


def id_of_uuid(text: str) -> int:
    """The number at the end of an entryUUID; 0 for what is none."""
    try:
        return int.from_bytes(uuid.UUID(text).bytes[-_ID_OCTETS:], "big")
    except ValueError:
        return 0


class Entries:
    """Makes entries of principals of the departments that one asker may look into."""

    def __init__(self, directory: Directory, index: Index, departments: Departments) -> None:
        self._directory = directory
        self._index = index
        self.departments = departments
        self._suffixes = {each.id: suffix(each) for each in departments.values()}

    def dn(self, principal: Principal) -> str:
        """The name of a principal of one of the departments."""
        is_numbered = principal.kind in NUMBERED
        uid = f"{principal.kind}-{principal.id}" if is_numbered else escape(principal.address)
        return f"uid={uid},ou={_FOLDER_OF[principal.kind]},{self._suffixes[principal.department]}"

    async def make(self, listed: Listed, wanted: frozenset[str]) -> Entry:
        """The entry; of what costs most to make only what is `wanted`: see DEMANDED."""
        principal = listed.principal
        attributes = _common(listed)
        attributes["o"] = [self.departments[principal.department].name]
        if principal.kind == "person":
            self._describe_person(principal, attributes, wanted)
        elif principal.kind == "unit":
            self._describe_unit(principal, attributes)
        elif principal.kind == "contact":
            _describe_contact(principal, attributes)
        elif principal.unit in self._index.units:
            attributes["ou"] = [self._index.units[principal.unit].name]
        if principal.kind in ("group", "unit") and "member" in wanted:
            attributes["member"] = await self.members(principal)
        if "memberOf" in wanted and (groups := await self._member_of(principal)):
            attributes["memberOf"] = groups
        attributes["structuralObjectClass"] = [_STRUCTURAL[principal.kind]]
        if "entryUUID" in wanted:
            attributes["entryUUID"] = [entry_uuid(principal)]
        return _with_operational(principal.id, self.dn(principal), attributes, has_subordinates=False)

    async def members(self, group: Principal) -> list[str]:
        """The people behind it whom the asker may see. RFC 4519 §3.5 wants one at least: else the group."""
        people = [*await self._directory.members(group), *await self._directory.contacts(group)]
        names = [
            self.dn(each) for each in people if not each.disabled and each.department in self.departments
        ]
        return names or [self.dn(group)]

    async def _member_of(self, principal: Principal) -> list[str]:
        """Its groups, nested ones too, and its units up to the highest."""
        if principal.kind != "person":
            return []
        found = []
        for number in sorted(await self._directory.groups_of(principal)):
            line = self._index.line(number)
            if line is None or line.kind not in ("group", "unit") or line.department not in self.departments:
                continue
            group = await self._directory.by_id(number)
            if group is not None:
                found.append(self.dn(group))
        return found

    def _describe_person(self, principal: Principal, attributes: Attributes, wanted: frozenset[str]) -> None:
        data = principal.data
        attributes["sn"] = [str(data.get("family") or principal.name)]
        if data.get("given"):
            attributes["givenName"] = [str(data["given"])]
        attributes["displayName"] = [principal.name]
        attributes["jabberID"] = [principal.address]
        if principal.unit in self._index.units:
            attributes["ou"] = [self._index.units[principal.unit].name]
        manager = self._above(principal, principal.unit) if "manager" in wanted else None
        if manager is not None:
            attributes["manager"] = [self.dn(manager)]

    def _describe_unit(self, unit: Principal, attributes: Attributes) -> None:
        attributes["uid"] = [f"unit-{unit.id}"]
        attributes["ou"] = [unit.name]
        leader = self._index.leader(unit.department, unit.id)
        if leader is not None:
            attributes["owner"] = [self.dn(leader)]
        if unit.unit in self._index.units:
            attributes["seeAlso"] = [f"uid=unit-{unit.unit},ou=units,{self._suffixes[unit.department]}"]

    def _above(self, person: Principal, unit: int) -> Principal | None:
        """Who leads the unit, or the next one above it that somebody else leads."""
        for _ in range(_MOST_UNITS):
            leader = self._index.leader(person.department, unit)
            if leader is not None and leader.id != person.id:
                return leader
            if not unit:
                break
            above = self._index.units.get(unit)
            unit = above.parent if above is not None else 0
        return None


def _describe_contact(contact: Principal, attributes: Attributes) -> None:
    """RFC 2798: an inetOrgPerson without a JID, of an organization of its own."""
    data = contact.data
    attributes["uid"] = [f"contact-{contact.id}"]
    attributes["sn"] = [str(data.get("family") or contact.name)]
    if data.get("given"):
        attributes["givenName"] = [str(data["given"])]
    attributes["displayName"] = [contact.name]
    attributes["mail"] = list(contact.mails)
    if data.get(ORGANISATION):
        attributes["o"] = [str(data[ORGANISATION])]
    else:
        del attributes["o"]


def _common(listed: Listed) -> Attributes:
    principal, data = listed.principal, listed.principal.data
    attributes = {"objectClass": CLASSES[principal.kind], "cn": [principal.name or principal.address]}
    if principal.address:
        attributes["uid"] = [principal.address, principal.address.partition("@")[0]]
        attributes["mail"] = [principal.address, *listed.aliases]
    if principal.post:
        attributes["title"] = [principal.post]
    for name, key in (("telephoneNumber", "telephone"), ("mobile", "mobile")):
        if data.get(key):
            attributes[name] = [str(data[key])]
    return attributes


def _with_operational(id_: int, dn: str, attributes: Attributes, *, has_subordinates: bool) -> Entry:
    attributes["entryDN"] = [dn]
    attributes["hasSubordinates"] = ["TRUE" if has_subordinates else "FALSE"]
    attributes["subschemaSubentry"] = [SUBSCHEMA]
    return Entry(id_, dn, attributes)
