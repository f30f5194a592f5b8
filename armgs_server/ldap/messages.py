# SPDX-License-Identifier: Apache-2.0
"""Messages from clients (RFC 4511 §4.1.1 and on) as data, and how they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from armgs_server.errors import Invalid, TooLarge
from armgs_server.ldap.ber import ENUMERATED, OCTET_STRING, SEQUENCE, Reader
from armgs_server.ldap.filters import Filter, FilterLimits, parse_filter
from armgs_server.ldap.results import ADMIN_LIMIT_EXCEEDED, PROTOCOL_ERROR

BASE, ONE_LEVEL, SUBTREE = 0, 1, 2
_CONTROLS: Final = 0xA0
_MOST_CONTROLS = 50
_DEREFERENCING = 3  # the highest of derefAliases: there are no aliases here
_SIMPLE, _SASL = 0x80, 0xA3  # RFC 4511 §4.2 AuthenticationChoice


@dataclass(frozen=True, slots=True)
class Bind:
    """§4.2; `mechanism` is None for a simple bind, whose password the credentials are."""

    version: int
    name: str
    mechanism: str | None
    credentials: bytes | None


@dataclass(frozen=True, slots=True)
class Unbind:
    """§4.3"""


@dataclass(frozen=True, slots=True)
class Search:
    """§4.5.1"""

    base: str
    scope: int
    size_limit: int
    time_limit: int
    types_only: bool
    filter: Filter
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """§4.10"""

    entry: str
    attribute: str
    value: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """§4.11"""

    message_id: int


@dataclass(frozen=True, slots=True)
class Extended:
    """§4.12"""

    name: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Update:
    """Add, delete, modify, modify DN (§4.6–§4.9), of which nothing is read: it is refused anyway."""


Request: TypeAlias = Bind | Unbind | Search | Compare | Abandon | Extended | Update


@dataclass(frozen=True, slots=True)
class Control:
    """§4.1.11"""

    type: str
    criticality: bool
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Message:
    """One request; `response` is the identifier of what answers it, 0 where nothing does."""

    id: int
    request: Request
    response: int
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True)
class BadRequest:
    """A request that cannot be read, but can be answered."""

    id: int
    response: int
    code: int
    text: str


def parse_message(data: bytes, limits: FilterLimits) -> Message | BadRequest:
    """Reads one LDAPMessage; Invalid where nobody could say what it answers to (§4.1.1)."""
    envelope = Reader(data).enter(SEQUENCE)
    message_id = envelope.integer()
    tag = envelope.peek()
    known = _REQUESTS.get(tag)
    # §4.1.1: zero is for unsolicited notifications of the server.
    if known is None or message_id == 0:
        raise Invalid("not a request")
    parse, response = known
    try:
        request = parse(envelope, tag, limits)
        controls = _controls(envelope)
    except TooLarge as error:
        return BadRequest(message_id, response, ADMIN_LIMIT_EXCEEDED, error.text)
    except Invalid as error:
        return BadRequest(message_id, response, PROTOCOL_ERROR, error.text)
    return Message(message_id, request, response, controls)


def _bind(envelope: Reader, tag: int, limits: FilterLimits) -> Bind:
    reader = envelope.enter(tag)
    version, name = reader.integer(maximum=127), reader.text()
    if reader.peek() == _SIMPLE:
        return Bind(version, name, None, reader.read(_SIMPLE))
    if reader.peek() != _SASL:
        raise Invalid("no such choice of authentication")
    inner = reader.enter(_SASL)
    mechanism = inner.text()
    credentials = inner.read(OCTET_STRING) if inner.peek() == OCTET_STRING else None
    return Bind(version, name, mechanism, credentials)


def _unbind(envelope: Reader, tag: int, limits: FilterLimits) -> Unbind:
    envelope.read(tag)
    return Unbind()


def _search(envelope: Reader, tag: int, limits: FilterLimits) -> Search:
    reader = envelope.enter(tag)
    base, scope = reader.text(), reader.integer(ENUMERATED, maximum=SUBTREE)
    reader.integer(ENUMERATED, maximum=_DEREFERENCING)
    size_limit, time_limit, types_only = reader.integer(), reader.integer(), reader.boolean()
    found = parse_filter(reader, limits)
    selection, attributes = reader.enter(SEQUENCE), []
    while selection.peek() >= 0:
        attributes.append(selection.text())
        if len(attributes) > limits.parts:
            raise TooLarge("too many attributes are asked for")
    return Search(base, scope, size_limit, time_limit, types_only, found, tuple(attributes))


def _compare(envelope: Reader, tag: int, limits: FilterLimits) -> Compare:
    reader = envelope.enter(tag)
    entry, assertion = reader.text(), reader.enter(SEQUENCE)
    return Compare(entry, assertion.text(), assertion.read(OCTET_STRING).decode("utf-8", "replace"))


def _abandon(envelope: Reader, tag: int, limits: FilterLimits) -> Abandon:
    return Abandon(envelope.integer(tag))


def _extended(envelope: Reader, tag: int, limits: FilterLimits) -> Extended:
    reader = envelope.enter(tag)
    name = reader.text(0x80)
    return Extended(name, reader.read(0x81) if reader.peek() == 0x81 else None)


def _update(envelope: Reader, tag: int, limits: FilterLimits) -> Update:
    envelope.read(tag)
    return Update()


def _controls(envelope: Reader) -> tuple[Control, ...]:
    if envelope.peek() != _CONTROLS:
        return ()
    listed, found = envelope.enter(_CONTROLS), []
    while listed.peek() >= 0:
        reader = listed.enter(SEQUENCE)
        kind = reader.text()
        criticality = reader.boolean() if reader.peek() == 0x01 else False
        found.append(
            Control(kind, criticality, reader.read(OCTET_STRING) if reader.peek() == OCTET_STRING else None)
        )
        if len(found) > _MOST_CONTROLS:
            raise TooLarge("too many controls")
    return tuple(found)


_REQUESTS: Final[dict[int, tuple[Callable[[Reader, int, FilterLimits], Request], int]]] = {
    0x60: (_bind, 0x61),
    0x42: (_unbind, 0),
    0x63: (_search, 0x65),
    0x66: (_update, 0x67),  # modify
    0x68: (_update, 0x69),  # add
    0x4A: (_update, 0x6B),  # delete
    0x6C: (_update, 0x6D),  # modify DN
    0x6E: (_compare, 0x6F),
    0x50: (_abandon, 0),
    0x77: (_extended, 0x78),
}
