# SPDX-License-Identifier: Apache-2.0
"""An Apple configuration profile: mail, calendars, contacts, the directory and the CA in one file.

Its identifiers follow from the address, so a profile installed again replaces the older one. It carries
no password: the device asks for it. signing.py signs it.
"""

import plistlib
import uuid
from typing import Any

from armgs_server.formats.addresses import to_ascii
from armgs_server.portal.endpoints import Endpoint, Endpoints

LDAPS_PORT = 636
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "armgs-server.profile")


def profile(address: str, endpoints: Endpoints, ca: bytes | None) -> bytes:
    """The profile for one address, as a property list."""
    imap, smtp = endpoints.of("imap")[0], endpoints.of("smtp")[0]
    payloads = [
        _mail(address, endpoints.hostname, imap, smtp),
        _dav(address, endpoints, "caldav", "CalDAV"),
        _dav(address, endpoints, "carddav", "CardDAV"),
    ]
    # A profile has no place for another port.
    if any(endpoint.port == LDAPS_PORT for endpoint in endpoints.of("ldap")):
        payloads.append(_ldap(address, endpoints.hostname))
    if ca is not None:
        payloads.append(_payload(address, "com.apple.security.root", "CA") | {"PayloadContent": ca})
    document = _payload(address, "Configuration", address) | {"PayloadContent": payloads}
    return plistlib.dumps(document)


def _payload(address: str, kind: str, name: str) -> dict[str, Any]:
    identifier = uuid.uuid5(_NAMESPACE, f"{kind}:{address}")
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"armgs.{identifier}",
        "PayloadUUID": str(identifier).upper(),
        "PayloadDisplayName": name,
    }


def _mail(address: str, hostname: str, imap: Endpoint, smtp: Endpoint) -> dict[str, Any]:
    return _payload(address, "com.apple.mail.managed", address) | {
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAddress": address,
        "EmailAccountDescription": address,
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": hostname,
        "IncomingMailServerPortNumber": imap.port,
        "IncomingMailServerUseSSL": imap.protection != "none",
        "IncomingMailServerUsername": address,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": hostname,
        "OutgoingMailServerPortNumber": smtp.port,
        "OutgoingMailServerUseSSL": smtp.protection != "none",
        "OutgoingMailServerUsername": address,
        "OutgoingPasswordSameAsIncomingPassword": True,
    }


def _dav(address: str, endpoints: Endpoints, kind: str, prefix: str) -> dict[str, Any]:
    scheme, _, authority = endpoints.base_url.partition("://")
    port = authority.partition(":")[2]
    return _payload(address, f"com.apple.{kind}.account", address) | {
        f"{prefix}AccountDescription": address,
        f"{prefix}HostName": endpoints.hostname,
        f"{prefix}Port": int(port or (443 if scheme == "https" else 80)),
        f"{prefix}UseSSL": scheme == "https",
        f"{prefix}Username": address,
        f"{prefix}PrincipalURL": f"/dav/principals/people/{address}/",
    }


def _ldap(address: str, hostname: str) -> dict[str, Any]:
    """The department's part of the directory, named as RFC 2247 names domains."""
    domain = to_ascii(address.rpartition("@")[2])
    base = ",".join(f"dc={label}" for label in domain.split("."))
    return _payload(address, "com.apple.ldap.account", address) | {
        "LDAPAccountDescription": address,
        "LDAPAccountHostName": hostname,
        "LDAPAccountUseSSL": True,
        "LDAPAccountUserName": address,
        "LDAPSearchSettings": [
            {
                "LDAPSearchSettingDescription": domain,
                "LDAPSearchSettingScope": "LDAPSearchSettingScopeSubtree",
                "LDAPSearchSettingSearchBase": base,
            }
        ],
    }
