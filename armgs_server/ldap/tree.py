# SPDX-License-Identifier: Apache-2.0
"""The tree of entries: what a name means, and what a scope at that place reaches (RFC 4511 §4.5.1.2).

Departments that the asker may not look into are not there, nor is anything below them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from armgs_server.directory.directory import Directory
from armgs_server.directory.model import Principal
from armgs_server.directory.people_search import visible_departments
from armgs_server.errors import Invalid
from armgs_server.ldap.dn import Dn, name_of_domain, parse_dn, prepare
from armgs_server.ldap.entries import (
    FOLDERS,
    NUMBERED,
    Departments,
    Entry,
    department_entry,
    folder_entry,
    suffix,
)
from armgs_server.ldap.messages import BASE, ONE_LEVEL, SUBTREE
from armgs_server.ldap.results import INVALID_DN_SYNTAX, NO_SUCH_OBJECT, LdapError


@dataclass(frozen=True, slots=True)
class Above:
    """A name above departments, which has no entry itself: dc=example, or the root."""

    dn: Dn


@dataclass(frozen=True, slots=True)
class AtDepartment:
    department: Principal


@dataclass(frozen=True, slots=True)
class AtFolder:
    department: Principal
    folder: str


@dataclass(frozen=True, slots=True)
class AtPrincipal:
    principal: Principal


Place: TypeAlias = Above | AtDepartment | AtFolder | AtPrincipal


@dataclass(frozen=True, slots=True)
class Reach:
    """What is searched: entries that are no principals; one principal, or those of departments and kinds."""

    fixed: tuple[Entry, ...] = ()
    departments: frozenset[int] = frozenset()
    kinds: frozenset[str] = frozenset()
    single: int = 0


async def visible(directory: Directory, asker: Principal | None, anonymous: tuple[str, ...]) -> Departments:
    """The departments that the asker may look into: its own, and those whose address book it may read."""
    if asker is None:
        numbers = [directory.domains[domain] for domain in anonymous if domain in directory.domains]
    else:
        numbers = [asker.department, *await visible_departments(directory, asker)]
    found = [await directory.by_id(number) for number in dict.fromkeys(numbers)]
    return {each.id: each for each in found if each is not None}


def parse_name(text: str) -> Dn:
    """A name of a request."""
    try:
        return parse_dn(text)
    except Invalid as error:
        raise LdapError(INVALID_DN_SYNTAX, error.text) from None


async def locate(directory: Directory, departments: Departments, name: Dn) -> Place:
    """What a name means; noSuchObject with the part of it that there is.

    A department is found by each of its domains; its entry is named by the first.
    """
    best: tuple[int, Principal] | None = None
    is_above = not name
    for domain, number in directory.domains.items():
        if number not in departments:
            continue
        own = name_of_domain(domain)
        if name[-len(own) :] == own and (best is None or best[0] < len(own)):
            best = len(own), departments[number]
        is_above = is_above or own[-len(name) :] == name
    if best is not None and (best[0] == len(name) or not is_above):
        return await _inside(directory, best[1], name[: -best[0]])
    if is_above:
        return Above(name)
    raise LdapError(NO_SUCH_OBJECT)


async def _inside(directory: Directory, department: Principal, rest: Dn) -> Place:
    if not rest:
        return AtDepartment(department)
    folder = rest[-1][0][1] if len(rest[-1]) == 1 and rest[-1][0][0] == "ou" else ""
    if folder not in FOLDERS:
        raise LdapError(NO_SUCH_OBJECT, matched=suffix(department))
    if len(rest) == 1:
        return AtFolder(department, folder)
    found = await principal_at(directory, department, folder, rest[0]) if len(rest) == 2 else None
    if found is None:
        raise LdapError(NO_SUCH_OBJECT, matched=f"ou={folder},{suffix(department)}")
    return AtPrincipal(found)


async def principal_at(
    directory: Directory, department: Principal, folder: str, rdn: tuple[tuple[str, str], ...]
) -> Principal | None:
    """The principal that has this name in a folder, if it is in use."""
    if len(rdn) != 1 or rdn[0][0] != "uid":
        return None
    uid = rdn[0][1]
    if FOLDERS[folder] in NUMBERED:
        number = uid.removeprefix(f"{FOLDERS[folder]}-")
        is_number = uid != number and number.isascii() and number.isdecimal() and len(number) < 12
        found = await directory.by_id(int(number)) if is_number else None
    else:
        found = await directory.by_address(uid)
        if found is not None and prepare(found.address) != uid:  # an alias is no name of an entry
            return None
    if found is None or found.disabled or found.department != department.id:
        return None
    return found if found.kind == FOLDERS[folder] else None


def reach(departments: Departments, place: Place, scope: int) -> Reach:
    """What is to be looked through."""
    if isinstance(place, AtPrincipal):
        return Reach() if scope == ONE_LEVEL else Reach(single=place.principal.id)
    if isinstance(place, AtFolder):
        own = (folder_entry(place.department, place.folder),) if scope != ONE_LEVEL else ()
        if scope == BASE:
            return Reach(own)
        return Reach(own, frozenset({place.department.id}), frozenset({FOLDERS[place.folder]}))
    if scope == BASE:
        if isinstance(place, Above):
            raise LdapError(NO_SUCH_OBJECT)
        return Reach((department_entry(place.department),))
    name = place.dn if isinstance(place, Above) else parse_dn(suffix(place.department))
    fixed: list[Entry] = []
    if isinstance(place, AtDepartment) and scope == ONE_LEVEL:
        fixed += _folders(place.department)
    below = []
    for department in departments.values():
        own_name = parse_dn(suffix(department))
        if scope == ONE_LEVEL:
            if own_name[1:] == name:
                fixed.append(department_entry(department))
        elif own_name[len(own_name) - len(name) :] == name:
            fixed += [department_entry(department), *_folders(department)]
            below.append(department.id)
    return Reach(tuple(fixed), frozenset(below), frozenset(FOLDERS.values() if scope == SUBTREE else ()))


def _folders(department: Principal) -> list[Entry]:
    return [folder_entry(department, folder) for folder in FOLDERS]
