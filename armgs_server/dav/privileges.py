# SPDX-License-Identifier: Apache-2.0
"""The privileges of RFC 3744 §3 over the rights of `directory.access`, both ways. Pure.

The rights are RFC 4314's letters, some of which permit more than one privilege: what cannot be granted
without its neighbour is abstract (§5.3). An ACE may name an abstract privilege only together with all
that comes with it, so nobody is given more than was said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from armgs_server.dav.features import Shape
from armgs_server.dav.names import CALDAV, dav, empty
from armgs_server.directory.access import DELIVER, EVERYTHING, NOTHING, Rights


@dataclass(frozen=True, slots=True)
class Privilege:
    """One node of the tree: what must be there for somebody to have it, and what a grant of it gives."""

    name: str
    description: str
    needs: Rights
    gives: Rights
    is_abstract: bool = False
    parts: tuple["Privilege", ...] = ()


_LOOKUP = Rights.LOOKUP
_UNBIND = Rights.DELETE_ITEMS | Rights.DELETE_COLLECTION | Rights.EXPUNGE
_BIND = Rights.INSERT | Rights.CREATE
_OWN = Privilege(dav("read-current-user-privilege-set"), "Read one's own privileges", _LOOKUP, _LOOKUP)
_READING = _LOOKUP | Rights.READ | Rights.SEEN
READ = Privilege(dav("read"), "Read", Rights.READ, _READING, parts=(_OWN,))
_FREE_BUSY = Privilege(  # RFC 4791 §6.1.1: of a calendar
    f"{{{CALDAV}}}read-free-busy", "See when the owner is busy", Rights.FREE_BUSY, Rights.FREE_BUSY
)
READ_CALENDAR = replace(READ, parts=(_OWN, _FREE_BUSY))
WRITE = Privilege(
    dav("write"),
    "Write",
    Rights.WRITE | Rights.INSERT | Rights.DELETE_ITEMS,
    _LOOKUP | Rights.WRITE | _BIND | _UNBIND,
    parts=(
        Privilege(
            dav("write-content"),
            "Change content",
            Rights.WRITE,
            _LOOKUP | Rights.WRITE,
            parts=(
                Privilege(
                    dav("write-properties"),
                    "Change properties",
                    Rights.WRITE,
                    _LOOKUP | Rights.WRITE,
                    is_abstract=True,
                ),
            ),
        ),
        Privilege(dav("bind"), "Add members", Rights.INSERT, _LOOKUP | _BIND),
        Privilege(dav("unbind"), "Remove members", Rights.DELETE_ITEMS, _LOOKUP | _UNBIND),
    ),
)
_POST = _LOOKUP | Rights.POST
SEND = Privilege(  # RFC 6638 §6.2: of an outbox
    f"{{{CALDAV}}}schedule-send",
    "Invite and answer in the owner's name",
    Rights.POST,
    _POST,
    parts=tuple(
        Privilege(f"{{{CALDAV}}}schedule-send-{name}", description, Rights.POST, _POST, is_abstract=True)
        for name, description in (
            ("invite", "Invite in the owner's name"),
            ("reply", "Answer in the owner's name"),
            ("freebusy", "Ask for free time in the owner's name"),
        )
    ),
)
DELIVER_TO = Privilege(  # RFC 6638 §6.1: of an inbox
    f"{{{CALDAV}}}schedule-deliver",
    "Have messages put into it",
    DELIVER,
    DELIVER,
    parts=tuple(
        Privilege(f"{{{CALDAV}}}schedule-{name}", description, right, right)
        for name, description, right in (
            ("deliver-invite", "Invite the owner", Rights.DELIVER_INVITE),
            ("deliver-reply", "Answer the owner's invitations", Rights.DELIVER_REPLY),
            ("query-freebusy", "Ask when the owner is free", Rights.QUERY_FREE_BUSY),
        )
    ),
)
_ADMINISTER = _LOOKUP | Rights.ADMIN
ALL = Privilege(
    dav("all"),
    "Everything",
    EVERYTHING,
    EVERYTHING,
    parts=(
        READ,
        WRITE,
        Privilege(dav("write-acl"), "Change who may do what", Rights.ADMIN, _ADMINISTER),
        Privilege(dav("read-acl"), "Read who may do what", Rights.ADMIN, _ADMINISTER, is_abstract=True),
        Privilege(dav("unlock"), "Remove locks of others", Rights.ADMIN, _ADMINISTER, is_abstract=True),
    ),
)


def _flatten(privilege: Privilege) -> list[Privilege]:
    return [privilege, *(each for part in privilege.parts for each in _flatten(part))]


# What there is on a resource of its own beside what there is everywhere.
_TREES: dict[Shape, Privilege] = {
    Shape.CALENDAR: replace(ALL, parts=(READ_CALENDAR, *ALL.parts[1:])),
    Shape.EVENT: replace(ALL, parts=(READ_CALENDAR, *ALL.parts[1:])),
    Shape.INBOX: replace(ALL, parts=(*ALL.parts, DELIVER_TO)),
    Shape.OUTBOX: replace(ALL, parts=(*ALL.parts, SEND)),
}


@lru_cache
def supported(shape: Shape = Shape.ROOT) -> Mapping[str, Privilege]:
    """The privileges of a resource, an aggregate before its parts."""
    return {each.name: each for each in _flatten(_TREES.get(shape, ALL))}


def privileges(rights: Rights, shape: Shape = Shape.ROOT) -> list[str]:
    """The names of the privileges that rights give, an aggregate before its parts."""
    if EVERYTHING in rights:
        rights |= DELIVER
    if Rights.READ in rights:
        rights |= Rights.FREE_BUSY
    return [each.name for each in supported(shape).values() if rights and each.needs in rights]


def rights_from(names: Iterable[str], shape: Shape = Shape.ROOT) -> Rights:
    """The rights that a grant of these privileges gives; KeyError for a name that is not in the tree."""
    rights = NOTHING
    for name in names:
        rights |= supported(shape)[name].gives
    return rights


def unsaid(names: Iterable[str], shape: Shape = Shape.ROOT) -> list[str]:
    """The abstract privileges of an ACE that bring another with them which it does not name."""
    names, known = list(names), supported(shape)
    said = {part.name for name in names for part in _flatten(known[name])}
    free = {name for name, each in known.items() if each.is_abstract or each.needs == _LOOKUP}
    beyond = set(privileges(rights_from(names, shape), shape)) - said - free
    abstract = [name for name in names if known[name].is_abstract]
    return [name for name in abstract if beyond.intersection(privileges(known[name].gives, shape))]


def serialise(names: Iterable[str]) -> str:
    """DAV:privilege elements."""
    return "".join(f"<D:privilege>{empty(name)}</D:privilege>" for name in names)


def _supported(privilege: Privilege) -> str:
    """§5.3."""
    mark = "<D:abstract/>" if privilege.is_abstract else ""
    return (
        f"<D:supported-privilege><D:privilege>{empty(privilege.name)}</D:privilege>{mark}"
        f'<D:description xml:lang="en">{privilege.description}</D:description>'
        f"{''.join(map(_supported, privilege.parts))}</D:supported-privilege>"
    )


@lru_cache
def supported_privilege_set(shape: Shape) -> str:
    """The whole property of a resource."""
    return f"<D:supported-privilege-set>{_supported(_TREES.get(shape, ALL))}</D:supported-privilege-set>"
