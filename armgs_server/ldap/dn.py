# SPDX-License-Identifier: Apache-2.0
"""Distinguished names as strings (RFC 4514), and those of domains (RFC 2247)."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, TypeAlias

from armgs_server.errors import Invalid
from armgs_server.formats.addresses import to_ascii
from armgs_server.formats.stream_safe import stream_safe
from armgs_server.ldap.schema import attribute

# An RDN is its pairs of attribute and value, ready to be compared; the most specific comes first.
Rdn: TypeAlias = tuple[tuple[str, str], ...]
Dn: TypeAlias = tuple[Rdn, ...]

MOST_RDNS: Final = 50
_TYPE = re.compile(r" *([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+) *= *")
_PIECE = re.compile(r'\\([0-9A-Fa-f]{2})|\\([\\"+,;<>= #])|([^\\"+,;<>\0])')
_PLAIN = re.compile(r"[A-Za-z0-9@._-]+")
_SPECIAL = re.compile(r'[\\"+,;<>]')


def parse_dn(text: str) -> Dn:
    """Invalid where it is no name; attribute types under the names by which they are served."""
    rdns: list[Rdn] = []
    pairs: list[tuple[str, str]] = []
    position = 0
    while text:
        kind = _TYPE.match(text, position)
        if kind is None:
            raise Invalid("an attribute type and = expected")
        known = attribute(kind[1])
        value, position = _value(text, kind.end())
        pairs.append((known.name if known is not None else kind[1].lower(), prepare(value)))
        separator = text[position : position + 1]
        position += 1
        if separator != "+":
            rdns.append(tuple(sorted(pairs)))
            pairs = []
            if len(rdns) > MOST_RDNS:
                raise Invalid("too long a name")
        if not separator:
            break
        if separator not in ",;+":  # COMPAT: RFC 4514 §4, a semicolon is LDAPv2's comma
            raise Invalid(f"{separator!r} in a name")
    return tuple(rdns)


def _value(text: str, position: int) -> tuple[str, int]:
    """The value that begins there, and where it ends."""
    if text.startswith("#", position):
        raise Invalid("values in hexadecimal BER are not known here")
    found, kept = bytearray(), 0  # what is before `kept` is no space at the end
    while position < len(text):
        piece = _PIECE.match(text, position)
        if piece is None:
            break
        pair, escaped, plain = piece.groups()
        found += bytes.fromhex(pair) if pair else (escaped or plain).encode()
        if plain != " ":
            kept = len(found)
        position = piece.end()
    if text[position : position + 1] not in ("", ",", ";", "+"):
        raise Invalid(f"{text[position]!r} in a name")
    try:
        return found[:kept].decode("utf-8"), position
    except UnicodeDecodeError:
        raise Invalid("a name that is not UTF-8") from None


def prepare(text: str) -> str:
    """A value, or a whole name of ours, in the form in which it is compared; an address keeps its ё."""
    return " ".join(unicodedata.normalize("NFKC", stream_safe(text)).casefold().split())


def serialise(name: Dn) -> str:
    """A parsed name in the form in which names of ours are compared."""
    return ",".join("+".join(f"{kind}={escape(value)}" for kind, value in rdn) for rdn in name)


def escape(value: str) -> str:
    """A value as it stands in a name (RFC 4514 §2.4)."""
    if _PLAIN.fullmatch(value):
        return value
    escaped = _SPECIAL.sub(r"\\\g<0>", value).replace("\0", "\\00")
    if escaped[:1] in (" ", "#"):
        escaped = f"\\{escaped}"
    return f"{escaped[:-1]}\\ " if len(value) > 1 and value.endswith(" ") else escaped


@lru_cache(maxsize=1024)
def of_domain(domain: str) -> str:
    """dc=example,dc=org (RFC 2247 §2), in the spelling of the DNS."""
    return ",".join(f"dc={escape(label)}" for label in to_ascii(domain).split("."))


@lru_cache(maxsize=1024)
def name_of_domain(domain: str) -> Dn:
    """The same, parsed."""
    return parse_dn(of_domain(domain))
