# SPDX-License-Identifier: Apache-2.0
"""Attribute types and object classes that are served (RFC 4512 §4.1), and how their values are compared.

Of the standard classes only those attributes are published that entries here may have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from armgs_server.directory.index_block import digits, normal

_SYNTAXES: Final[Mapping[str, tuple[str, str, str, str]]] = {
    # RFC 4517 §3.3: name → OID, equality, ordering and substrings rules (§4.2)
    "text": ("15", "caseIgnoreMatch", "caseIgnoreOrderingMatch", "caseIgnoreSubstringsMatch"),
    "ia5": ("26", "caseIgnoreIA5Match", "", "caseIgnoreIA5SubstringsMatch"),
    "telephone": ("50", "telephoneNumberMatch", "", "telephoneNumberSubstringsMatch"),
    "dn": ("12", "distinguishedNameMatch", "", ""),
    "oid": ("38", "objectIdentifierMatch", "", ""),
    "boolean": ("7", "booleanMatch", "", ""),
    "integer": ("27", "integerMatch", "integerOrderingMatch", ""),
    "description": ("3", "objectIdentifierFirstComponentMatch", "", ""),
}
_SYNTAX_ARC: Final = "1.3.6.1.4.1.1466.115.121.1."


@dataclass(frozen=True, slots=True)
class AttributeType:
    """RFC 4512 §4.1.2; `names` begins with the one that is sent."""

    oid: str
    names: tuple[str, ...]
    syntax: str = "text"
    is_single: bool = False
    usage: str = ""  # of operational ones

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def equality(self) -> str:
        return _SYNTAXES[self.syntax][1]

    @property
    def can_order(self) -> bool:
        return self.syntax == "text"

    def describe(self) -> str:
        """Its AttributeTypeDescription."""
        number, equality, ordering, substrings = _SYNTAXES[self.syntax]
        parts = [f"( {self.oid} NAME {_quoted(self.names)} EQUALITY {equality}"]
        parts += [f"ORDERING {ordering}"] if ordering else []
        parts += [f"SUBSTR {substrings}"] if substrings else []
        parts.append(f"SYNTAX {_SYNTAX_ARC}{number}")
        parts += ["SINGLE-VALUE"] if self.is_single else []
        parts += [f"NO-USER-MODIFICATION USAGE {self.usage}"] if self.usage else []
        return " ".join([*parts, ")"])


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """RFC 4512 §4.1.1"""

    oid: str
    name: str
    superior: str
    kind: str
    must: tuple[str, ...]
    may: tuple[str, ...] = ()

    def describe(self) -> str:
        """Its ObjectClassDescription."""
        parts = [f"( {self.oid} NAME '{self.name}'"]
        parts += [f"SUP {self.superior}"] if self.superior else []
        parts.append(self.kind)
        parts += [f"MUST ( {' $ '.join(self.must)} )"] if self.must else []
        parts += [f"MAY ( {' $ '.join(self.may)} )"] if self.may else []
        return " ".join([*parts, ")"])


_OPERATION, _DSA = "directoryOperation", "dSAOperation"
ATTRIBUTES: Final = (
    AttributeType("2.5.4.0", ("objectClass",), "oid"),
    # RFC 4519 §2
    AttributeType("2.5.4.3", ("cn", "commonName")),
    AttributeType("2.5.4.4", ("sn", "surname")),
    AttributeType("2.5.4.10", ("o", "organizationName")),
    AttributeType("2.5.4.11", ("ou", "organizationalUnitName")),
    AttributeType("2.5.4.12", ("title",)),
    AttributeType("2.5.4.20", ("telephoneNumber",), "telephone"),
    AttributeType("2.5.4.31", ("member",), "dn"),
    AttributeType("2.5.4.32", ("owner",), "dn"),
    AttributeType("2.5.4.34", ("seeAlso",), "dn"),
    AttributeType("2.5.4.42", ("givenName", "gn")),
    AttributeType("0.9.2342.19200300.100.1.1", ("uid", "userid")),
    AttributeType("0.9.2342.19200300.100.1.25", ("dc", "domainComponent"), "ia5", is_single=True),
    # RFC 2798 §2.3; RFC 4524 §2; mail in UTF-8, because addresses here may be (RFC 6531)
    AttributeType("2.16.840.1.113730.3.1.241", ("displayName",), is_single=True),
    AttributeType("0.9.2342.19200300.100.1.3", ("mail", "rfc822Mailbox")),
    AttributeType("0.9.2342.19200300.100.1.10", ("manager",), "dn"),
    AttributeType("0.9.2342.19200300.100.1.41", ("mobile", "mobileTelephoneNumber"), "telephone"),
    AttributeType("1.2.752.43.9.1.1", ("jabberID",)),
    # Operational: RFC 4530, RFC 5020, RFC 4512 §3.4 and §4.2; memberOf and hasSubordinates as elsewhere
    AttributeType("1.3.6.1.1.16.4", ("entryUUID",), is_single=True, usage=_OPERATION),
    AttributeType("1.3.6.1.1.20", ("entryDN",), "dn", is_single=True, usage=_OPERATION),
    AttributeType("1.2.840.113556.1.2.102", ("memberOf",), "dn", usage=_OPERATION),
    AttributeType("2.5.18.9", ("hasSubordinates",), "boolean", is_single=True, usage=_OPERATION),
    AttributeType("2.5.18.10", ("subschemaSubentry",), "dn", is_single=True, usage=_OPERATION),
    AttributeType("2.5.21.9", ("structuralObjectClass",), "oid", is_single=True, usage=_OPERATION),
    AttributeType("2.5.21.5", ("attributeTypes",), "description", usage=_OPERATION),
    AttributeType("2.5.21.6", ("objectClasses",), "description", usage=_OPERATION),
    AttributeType("1.3.6.1.4.1.1466.101.120.5", ("namingContexts",), "dn", usage=_DSA),
    AttributeType("1.3.6.1.4.1.1466.101.120.7", ("supportedExtension",), "oid", usage=_DSA),
    AttributeType("1.3.6.1.4.1.1466.101.120.13", ("supportedControl",), "oid", usage=_DSA),
    AttributeType("1.3.6.1.4.1.1466.101.120.14", ("supportedSASLMechanisms",), usage=_DSA),
    AttributeType("1.3.6.1.4.1.1466.101.120.15", ("supportedLDAPVersion",), "integer", usage=_DSA),
    AttributeType("1.3.6.1.4.1.4203.1.3.5", ("supportedFeatures",), "oid", usage=_DSA),
    AttributeType("1.3.6.1.1.4", ("vendorName",), is_single=True, usage=_DSA),  # RFC 3045
    AttributeType("1.3.6.1.1.5", ("vendorVersion",), is_single=True, usage=_DSA),
)
_BY_NAME: Final = {key.lower(): each for each in ATTRIBUTES for key in (each.oid, *each.names)}

_ABSTRACT, _STRUCTURAL, _AUXILIARY = "ABSTRACT", "STRUCTURAL", "AUXILIARY"
OBJECT_CLASSES: Final = (
    ObjectClass("2.5.6.0", "top", "", _ABSTRACT, ("objectClass",)),
    ObjectClass("2.5.6.4", "organization", "top", _STRUCTURAL, ("o",), ("telephoneNumber", "seeAlso")),
    ObjectClass("2.5.6.5", "organizationalUnit", "top", _STRUCTURAL, ("ou",), ("seeAlso",)),
    ObjectClass("2.5.6.6", "person", "top", _STRUCTURAL, ("sn", "cn"), ("telephoneNumber", "seeAlso")),
    ObjectClass("2.5.6.7", "organizationalPerson", "person", _STRUCTURAL, (), ("title", "ou")),
    ObjectClass(
        "2.16.840.1.113730.3.2.2",
        "inetOrgPerson",
        "organizationalPerson",
        _STRUCTURAL,
        (),
        ("displayName", "givenName", "mail", "manager", "mobile", "o", "uid"),
    ),
    ObjectClass("1.2.752.43.9.2.1", "jabberUser", "top", _AUXILIARY, ("jabberID",)),
    ObjectClass(
        "2.5.6.9", "groupOfNames", "top", _STRUCTURAL, ("member", "cn"), ("owner", "ou", "o", "seeAlso")
    ),
    ObjectClass("2.5.6.14", "device", "top", _STRUCTURAL, ("cn",), ("ou", "o", "owner", "seeAlso")),
    ObjectClass("0.9.2342.19200300.100.4.7", "room", "top", _STRUCTURAL, ("cn",), ("telephoneNumber",)),
    ObjectClass("1.3.6.1.4.1.1466.344", "dcObject", "top", _AUXILIARY, ("dc",)),
    # RFC 4512 §4.3: what has it may have any attribute: groups and rooms have addresses here
    ObjectClass("1.3.6.1.4.1.1466.101.120.111", "extensibleObject", "top", _AUXILIARY, ()),
    ObjectClass("2.5.20.1", "subschema", "", _AUXILIARY, (), ("attributeTypes", "objectClasses")),
)
_CLASS_NAMES: Final = {key.lower(): each.name for each in OBJECT_CLASSES for key in (each.oid, each.name)}


def attribute(description: str) -> AttributeType | None:
    """The attribute type of a description; None for an unknown one, and for options, which none has here."""
    return _BY_NAME.get(description.lower())


def object_class(name: str) -> str:
    """The name by which an object class is served, in lower case; an unknown one as it is."""
    return _CLASS_NAMES.get(name.lower(), name).lower()


def comparable(kind: AttributeType, value: str) -> str:
    """A value in the form in which values of that type are compared.

    ё is е and of a telephone number only the digits count, as everywhere in this directory; both are equal
    under RFC 4518's preparation or not written by everybody alike.
    """
    return _COMPARABLE.get(kind.syntax, normal)(value)


def _quoted(names: tuple[str, ...]) -> str:
    quoted = " ".join(f"'{name}'" for name in names)
    return quoted if len(names) == 1 else f"( {quoted} )"


_COMPARABLE: Final[Mapping[str, Callable[[str], str]]] = {
    "telephone": digits,
    "oid": object_class,
}
