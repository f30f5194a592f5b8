# SPDX-License-Identifier: Apache-2.0
"""Which attributes a search asks for (RFC 4511 §4.5.1.8, RFC 3673, RFC 4529)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from armgs_server.ldap.entries import DEMANDED, Entry
from armgs_server.ldap.schema import ATTRIBUTES, OBJECT_CLASSES, attribute

_NONE: Final = "1.1"
_OPERATIONAL: Final = frozenset(each.name for each in ATTRIBUTES if each.usage)
_CLASSES: Final = {each.name.lower(): each for each in OBJECT_CLASSES}


@dataclass(frozen=True, slots=True)
class Selection:
    names: frozenset[str]
    all_user: bool
    all_operational: bool
    types_only: bool
    in_order: tuple[str, ...] = ()  # the names, as they were asked for

    @property
    def wanted(self) -> frozenset[str]:
        """The names under which what is looked up only on demand is demanded."""
        user = DEMANDED - _OPERATIONAL if self.all_user else frozenset()
        return self.names | user | (_OPERATIONAL if self.all_operational else frozenset())

    def of(self, entry: Entry) -> Iterator[tuple[str, Sequence[str]]]:
        """The attributes of an entry that were asked for."""
        found = entry.attributes
        if not (self.all_user or self.all_operational):
            for name in self.in_order:
                if name in found:
                    yield name, () if self.types_only else found[name]
            return
        for name, values in found.items():
            is_operational = name in _OPERATIONAL
            if name in self.names or (self.all_operational if is_operational else self.all_user):
                yield name, () if self.types_only else values


def select(descriptions: Sequence[str], *, types_only: bool) -> Selection:
    """What the descriptions of a request mean; those unknown here select nothing."""
    names: dict[str, None] = {}
    all_user = not descriptions  # RFC 4511 §4.5.1.8: an empty list asks for all user attributes
    all_operational = False
    for description in descriptions:
        if description == "*":
            all_user = True
        elif description == "+":
            all_operational = True
        elif description.startswith("@"):
            names.update(dict.fromkeys(_attributes_of(description[1:].lower())))
        elif description != _NONE and (kind := attribute(description)) is not None:
            names[kind.name] = None
    return Selection(frozenset(names), all_user, all_operational, types_only, tuple(names))


def _attributes_of(name: str) -> Iterator[str]:
    """Those of a class and the ones above it."""
    while (found := _CLASSES.get(name)) is not None:
        yield from (*found.must, *found.may)
        name = found.superior.lower()
