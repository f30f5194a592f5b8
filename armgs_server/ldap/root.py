# SPDX-License-Identifier: Apache-2.0
"""What every client may ask before anything else: the root DSE (RFC 4512 §5.1) and the schema (§4.2)."""

from __future__ import annotations

from typing import Final

from armgs_server import __version__
from armgs_server.directory.directory import Directory
from armgs_server.ldap.entries import SUBSCHEMA, Entry, suffix
from armgs_server.ldap.schema import ATTRIBUTES, OBJECT_CLASSES

PAGED_RESULTS: Final = "1.2.840.113556.1.4.319"  # RFC 2696
MANAGE_DSA_IT: Final = "2.16.840.1.113730.3.4.2"  # RFC 3296: there are no referrals, so it changes nothing
START_TLS: Final = "1.3.6.1.4.1.1466.20037"  # RFC 4511 §4.14
WHO_AM_I: Final = "1.3.6.1.4.1.4203.1.11.3"  # RFC 4532
CONTROLS: Final = (PAGED_RESULTS, MANAGE_DSA_IT)
# RFC 3673: all operational attributes; RFC 4529: @class; RFC 4526: absolute true and false
_FEATURES: Final = ("1.3.6.1.4.1.4203.1.5.1", "1.3.6.1.4.1.4203.1.5.2", "1.3.6.1.4.1.4203.1.5.3")


async def root_dse(directory: Directory, mechanisms: tuple[str, ...], *, can_start_tls: bool) -> Entry:
    """Domains are known to everybody who sends mail, so their contexts may be, too."""
    extensions = (START_TLS, WHO_AM_I) if can_start_tls else (WHO_AM_I,)
    attributes = {
        "objectClass": ["top"],
        "structuralObjectClass": ["top"],
        "namingContexts": [suffix(each) for each in await directory.departments()],
        "subschemaSubentry": [SUBSCHEMA],
        "supportedLDAPVersion": ["3"],
        "supportedControl": [*CONTROLS],
        "supportedExtension": [*extensions],
        "supportedFeatures": [*_FEATURES],
        "vendorName": ["armgs_server"],
        "vendorVersion": [__version__],
    }
    if mechanisms:
        attributes["supportedSASLMechanisms"] = [*mechanisms]
    return Entry(0, "", attributes)


def subschema() -> Entry:
    """Every type and class that entries here have."""
    attributes = {
        "objectClass": ["top", "subschema"],
        "structuralObjectClass": ["subschema"],
        "cn": ["subschema"],
        "attributeTypes": [each.describe() for each in ATTRIBUTES],
        "objectClasses": [each.describe() for each in OBJECT_CLASSES],
        "entryDN": [SUBSCHEMA],
        "subschemaSubentry": [SUBSCHEMA],
    }
    return Entry(0, SUBSCHEMA, attributes)
