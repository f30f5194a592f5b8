# SPDX-License-Identifier: Apache-2.0
"""A filter made ready: what compares an entry with it, and what the index can say beforehand.

Comparing has three outcomes (RFC 4511 §4.5.1.7): True, False, and None for Undefined, which an unknown
attribute and a value that its attribute cannot have give. Names of entries in a filter become numbers of
principals first, so that `memberOf` and `member` cost a look-up and not a comparison for each entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from armgs_server.directory.candidates import Among, Either, Has, Need, both, either
from armgs_server.directory.directory import Directory
from armgs_server.errors import Invalid
from armgs_server.ldap import filters
from armgs_server.ldap.dn import parse_dn, prepare, serialise
from armgs_server.ldap.entries import CLASSES, Departments, Entry, id_of_uuid
from armgs_server.ldap.filters import And, Assertion, Extensible, Filter, Not, Or, Present, Substrings
from armgs_server.ldap.results import LdapError
from armgs_server.ldap.schema import AttributeType, attribute, comparable, object_class
from armgs_server.ldap.tree import AtPrincipal, locate

Test: TypeAlias = Callable[[Entry], bool | None]
Kinds: TypeAlias = frozenset[str] | None

# Attributes whose every value is part of what the index has of a principal.
_INDEXED: Final = frozenset(
    ("cn", "sn", "givenName", "displayName", "uid", "mail", "jabberID", "title", "telephoneNumber", "mobile")
)
_ADDRESSES: Final = frozenset(("uid", "mail", "jabberID"))
_NOBODY: Final = Either(())
# RFC 4517 §4.2.11 and on, and what Active Directory calls "in chain", which memberOf here always is.
_EQUALITY_RULES: Final = frozenset(
    ("2.5.13.2", "caseignorematch", "1.3.6.1.4.1.1466.109.114.2", "caseignoreia5match", "2.5.13.20",
     "telephonenumbermatch", "2.5.13.1", "distinguishednamematch", "2.5.13.0", "objectidentifiermatch",
     "1.2.840.113556.1.4.1941")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ready:
    """`need` None: anybody may fit; `kinds` None: of any kind; `wanted`: attributes that are compared."""

    test: Test
    need: Need | None = None
    kinds: Kinds = None
    wanted: frozenset[str] = frozenset()


_UNDEFINED: Final = Ready(lambda _: None, _NOBODY)


class Preparation:
    """Makes filters ready for one asker."""

    def __init__(self, directory: Directory, departments: Departments) -> None:
        self._directory = directory
        self._departments = departments

    async def prepare(self, wanted: Filter) -> Ready:
        """The filter, ready."""
        match wanted:
            case And(parts):
                return _conjunction([await self.prepare(part) for part in parts])
            case Or(parts):
                return _disjunction([await self.prepare(part) for part in parts])
            case Not(part):
                return _negation(await self.prepare(part))
            case Present(name):
                kind = attribute(name)
                return _UNDEFINED if kind is None else _present(kind)
            case Substrings(name):
                kind = attribute(name)
                return _UNDEFINED if kind is None else _substrings(kind, wanted)
            case Assertion(sort, name, value):
                kind = attribute(name)
                return _UNDEFINED if kind is None else await self._assertion(kind, sort, value)
            case Extensible():
                return await self._extensible(wanted)

    async def _assertion(self, kind: AttributeType, sort: int, value: str) -> Ready:
        if sort == filters.EQUALITY:
            return await self._equality(kind, value)
        if sort == filters.APPROX:
            return _approximate(kind, value)
        if not kind.can_order:
            return _UNDEFINED
        asked, name = comparable(kind, value), kind.name
        if sort == filters.GREATER:
            return Ready(lambda entry: any(each >= asked for each in _values(entry, kind)), wanted=_one(name))
        return Ready(lambda entry: any(each <= asked for each in _values(entry, kind)), wanted=_one(name))

    async def _equality(self, kind: AttributeType, value: str) -> Ready:
        if kind.syntax == "dn":
            return await self._name_equality(kind, value)
        asked = comparable(kind, value)
        if not asked:
            return _UNDEFINED
        need: Need | None = None
        kinds: Kinds = None
        if kind.name == "objectClass":
            kinds = frozenset(each for each, names in CLASSES.items() if asked in map(object_class, names))
        elif kind.name == "entryUUID":
            need = Among(frozenset({id_of_uuid(value)}))
        elif kind.name in _ADDRESSES and "@" in asked:
            found = await self._directory.by_address(prepare(value))
            if found is not None:
                need = Among(frozenset({found.id}))
            else:  # nobody here, or a contact
                need = Has(asked) if kind.name == "mail" else _NOBODY
        elif kind.name in _INDEXED:
            need = Has(asked)
        return Ready(lambda entry: asked in _values(entry, kind), need, kinds, _one(kind.name))

    async def _name_equality(self, kind: AttributeType, value: str) -> Ready:
        try:
            name = parse_dn(value)
        except Invalid:
            return _UNDEFINED
        if kind.name not in ("member", "memberOf"):
            asked = serialise(name)
            return Ready(lambda entry: asked in _values(entry, kind), wanted=_one(kind.name))
        ids = frozenset(await self._related(kind.name, value))
        return Ready(lambda entry: entry.id in ids, Among(ids))

    async def _related(self, relation: str, value: str) -> list[int]:
        """Whom a group named by the value holds (`memberOf`), or the groups that hold a person (`member`)."""
        try:
            place = await locate(self._directory, self._departments, parse_dn(value))
        except LdapError:  # nobody can be related to what is not there
            return []
        if not isinstance(place, AtPrincipal):
            return []
        principal = place.principal
        if relation == "member":
            ids = await self._directory.groups_of(principal) if principal.kind == "person" else frozenset()
            return [each for each in ids if each not in (principal.id, principal.department)]
        if principal.kind not in ("group", "unit"):
            return []
        return [each.id for each in await self._directory.members(principal)]

    async def _extensible(self, wanted: Extensible) -> Ready:
        kind = attribute(wanted.attribute)
        if kind is None or (wanted.rule and wanted.rule.lower() not in _EQUALITY_RULES):
            return _UNDEFINED
        ready = await self._equality(kind, wanted.value)
        if not wanted.dn_attributes or ready is _UNDEFINED:
            return ready
        pair = (kind.name, prepare(wanted.value))
        return Ready(
            lambda entry: ready.test(entry) or any(pair in rdn for rdn in parse_dn(entry.dn)),
            wanted=ready.wanted,
        )


def _one(name: str) -> frozenset[str]:
    return frozenset((name,))


def _values(entry: Entry, kind: AttributeType) -> list[str]:
    values = entry.attributes.get(kind.name, ())
    if kind.syntax == "dn":
        return [prepare(value) for value in values]
    return [comparable(kind, value) for value in values]


def _conjunction(parts: list[Ready]) -> Ready:
    def test(entry: Entry) -> bool | None:
        result: bool | None = True
        for part in parts:
            outcome = part.test(entry)
            if outcome is False:
                return False
            if outcome is None:
                result = None
        return result

    kinds: Kinds = None
    for part in parts:
        if part.kinds is not None:
            kinds = part.kinds if kinds is None else kinds & part.kinds
    return Ready(test, both([part.need for part in parts]), kinds, _wanted(parts))


def _disjunction(parts: list[Ready]) -> Ready:
    def test(entry: Entry) -> bool | None:
        result: bool | None = False
        for part in parts:
            outcome = part.test(entry)
            if outcome:
                return True
            if outcome is None:
                result = None
        return result

    kinds: Kinds = None
    if all(part.kinds is not None for part in parts):
        kinds = frozenset(each for part in parts for each in part.kinds or ())
    return Ready(test, either([part.need for part in parts]), kinds, _wanted(parts))


def _negation(part: Ready) -> Ready:
    def test(entry: Entry) -> bool | None:
        outcome = part.test(entry)
        return None if outcome is None else not outcome

    return Ready(test, None, None, part.wanted)


def _wanted(parts: list[Ready]) -> frozenset[str]:
    return frozenset().union(*(part.wanted for part in parts))


def _present(kind: AttributeType) -> Ready:
    return Ready(lambda entry: kind.name in entry.attributes, wanted=_one(kind.name))


def _substrings(kind: AttributeType, wanted: Substrings) -> Ready:
    if kind.syntax not in ("text", "ia5", "telephone"):
        return _UNDEFINED
    initial, final = comparable(kind, wanted.initial), comparable(kind, wanted.final)
    middle = [comparable(kind, piece) for piece in wanted.any]
    pieces = [piece for piece in (initial, *middle, final) if piece]
    if not pieces:  # a telephone number without digits
        return _UNDEFINED

    def fits(value: str) -> bool:
        if not value.startswith(initial):
            return False
        position = len(initial)
        for piece in middle:
            at = value.find(piece, position)
            if at < 0:
                return False
            position = at + len(piece)
        return value.endswith(final) and len(value) - len(final) >= position

    need = both([Has(piece) for piece in pieces]) if kind.name in _INDEXED else None
    return Ready(
        lambda entry: any(fits(value) for value in _values(entry, kind)), need, wanted=_one(kind.name)
    )


def _approximate(kind: AttributeType, value: str) -> Ready:
    """RFC 4511 §4.5.1.7.6 leaves to the server what that is: every word occurs, in any order."""
    words = comparable(kind, value).split()
    if kind.syntax not in ("text", "ia5", "telephone") or not words:
        return _UNDEFINED
    need = both([Has(word) for word in words]) if kind.name in _INDEXED else None
    return Ready(
        lambda entry: any(all(word in each for word in words) for each in _values(entry, kind)),
        need,
        wanted=_one(kind.name),
    )
