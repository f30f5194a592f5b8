# SPDX-License-Identifier: Apache-2.0
"""config-v1.1.xml, with which Thunderbird and its like set up an account from an address alone.

draft-ietf-mailmaint-autoconfig §4; SASL mechanisms are left to the client and the server
("password-cleartext" means: over TLS, whatever they agree on).
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from armgs_server.portal.endpoints import Endpoint, Endpoints

_SOCKET_TYPES = {"TLS": "SSL", "STARTTLS": "STARTTLS", "none": "plain"}


def client_config(domain: str, domains: Sequence[str], endpoints: Endpoints) -> bytes:
    """The document for one domain; it names all that are served by the same host."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<clientConfig version="1.1">']
    lines.append(f"  <emailProvider id={quoteattr(domain)}>")
    lines += [f"    <domain>{escape(name)}</domain>" for name in (domain, *_others(domain, domains))]
    lines.append(f"    <displayName>{escape(domain)}</displayName>")
    lines.append(f"    <displayShortName>{escape(domain)}</displayShortName>")
    for endpoint in (*endpoints.of("imap"), *endpoints.of("pop3")):  # the best first: clients take that one
        lines += _server("incomingServer", endpoint, endpoints.hostname)
    for endpoint in endpoints.of("smtp"):
        lines += _server("outgoingServer", endpoint, endpoints.hostname)
    lines.append("  </emailProvider>")
    lines += _dav("addressBook", "carddav", endpoints)
    lines += _dav("calendar", "caldav", endpoints)
    lines += _dav("fileShare", "webdav", endpoints)
    for endpoint in endpoints.of("managesieve"):
        lines += _server("setupServer", endpoint, endpoints.hostname)
    lines.append(f'  <clientConfigUpdate url="{escape(endpoints.base_url)}/mail/config-v1.1.xml"/>')
    lines += ["</clientConfig>", ""]
    return "\n".join(lines).encode()


def _others(domain: str, domains: Sequence[str]) -> list[str]:
    return [name for name in domains if name != domain]


def _server(element: str, endpoint: Endpoint, hostname: str) -> list[str]:
    return [
        f'    <{element} type="{endpoint.service}">',
        f"      <hostname>{escape(hostname)}</hostname>",
        f"      <port>{endpoint.port}</port>",
        f"      <socketType>{_SOCKET_TYPES[endpoint.protection]}</socketType>",
        "      <username>%EMAILADDRESS%</username>",
        "      <authentication>password-cleartext</authentication>",
        f"    </{element}>",
    ]


def _dav(element: str, kind: str, endpoints: Endpoints) -> list[str]:
    return [
        f'  <{element} type="{kind}">',
        "    <username>%EMAILADDRESS%</username>",
        "    <authentication>http-basic</authentication>",
        f"    <serverURL>{escape(endpoints.dav_url)}</serverURL>",
        f"  </{element}>",
    ]
