# SPDX-License-Identifier: Apache-2.0
"""Outlook's Autodiscover in plain XML ([MS-OXDSCLI] §3.1.5.3): where IMAP, POP3 and SMTP are.

Outlook posts an address and sets up IMAP and SMTP by the answer. Nothing is told that the address decides:
every address of a domain of ours gets the same.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from armgs_server.errors import Invalid, NotFound
from armgs_server.formats import xmltree
from armgs_server.portal.endpoints import Endpoint, Endpoints

PATH = "/autodiscover/autodiscover.xml"  # Outlook writes it in several cases
REQUEST_LIMIT = 16 * 1024
_RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_ACCOUNT = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_TYPES = {"imap": "IMAP", "pop3": "POP3", "smtp": "SMTP"}
_ENCRYPTION = {"TLS": "SSL", "STARTTLS": "TLS", "none": "None"}


def address_in(body: bytes) -> str:
    """The address that is asked about. Invalid."""
    root = xmltree.parse(body, max_size=REQUEST_LIMIT)
    for element in root.iter("{*}EMailAddress"):
        address = (element.text or "").strip()
        if "@" in address and address.isprintable():
            return address
    raise Invalid("there is no EMailAddress in the request")


def answer(address: str, domains: tuple[str, ...], endpoints: Endpoints) -> bytes:
    """The settings for an address; NotFound for one of another domain."""
    if address.rpartition("@")[2].lower() not in domains:
        raise NotFound()
    found = [each[0] for service in _TYPES if (each := endpoints.of(service))]
    protocols = "".join(_protocol(each, endpoints.hostname, address) for each in found)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<Autodiscover xmlns="{_RESPONSE}"><Response xmlns="{_ACCOUNT}">'
        f"<User><DisplayName>{escape(address)}</DisplayName></User>"
        f"<Account><AccountType>email</AccountType><Action>settings</Action>{protocols}</Account>"
        "</Response></Autodiscover>\n"
    ).encode()


def _protocol(endpoint: Endpoint, hostname: str, address: str) -> str:
    extra = "<UsePOPAuth>on</UsePOPAuth><SMTPLast>off</SMTPLast>" if endpoint.service == "smtp" else ""
    ssl = "off" if endpoint.protection == "none" else "on"
    return (
        f"<Protocol><Type>{_TYPES[endpoint.service]}</Type><Server>{escape(hostname)}</Server>"
        f"<Port>{endpoint.port}</Port><LoginName>{escape(address)}</LoginName>"
        f"<DomainRequired>off</DomainRequired><SPA>off</SPA><SSL>{ssl}</SSL>"
        f"<Encryption>{_ENCRYPTION[endpoint.protection]}</Encryption><AuthRequired>on</AuthRequired>"
        f"{extra}</Protocol>"
    )
