# SPDX-License-Identifier: Apache-2.0
"""The profile's account of the directory: where it is served on the port that a profile can name."""

from __future__ import annotations

import plistlib

from armgs_server.portal.apple import profile
from armgs_server.portal.endpoints import Endpoint, Endpoints

MAIL = (Endpoint("imap", 993, "TLS"), Endpoint("smtp", 465, "TLS"))


def payloads(*servers: Endpoint) -> dict[str, dict[str, object]]:
    endpoints = Endpoints("mail.digital.example", (*MAIL, *servers), "https://mail.digital.example")
    found = plistlib.loads(profile("ivanov@цифра.example", endpoints, None))
    return {each["PayloadType"]: each for each in found["PayloadContent"]}


def test_the_directory() -> None:
    account = payloads(Endpoint("ldap", 636, "TLS"))["com.apple.ldap.account"]
    assert account["LDAPAccountHostName"] == "mail.digital.example"
    assert account["LDAPAccountUseSSL"] is True
    assert account["LDAPAccountUserName"] == "ivanov@цифра.example"
    assert account["LDAPSearchSettings"] == [
        {
            "LDAPSearchSettingDescription": "xn--80apypi.example",
            "LDAPSearchSettingScope": "LDAPSearchSettingScopeSubtree",
            "LDAPSearchSettingSearchBase": "dc=xn--80apypi,dc=example",
        }
    ]


def test_no_directory_where_a_profile_cannot_name_it() -> None:
    assert "com.apple.ldap.account" not in payloads()
    assert "com.apple.ldap.account" not in payloads(Endpoint("ldap", 8636, "TLS"))
