# SPDX-License-Identifier: Apache-2.0
"""The DNS as the configuration names it, and hosts as settings name them: for whoever connects outward."""

from __future__ import annotations

from collections.abc import Sequence

import dns.asyncresolver

from armgs_server.errors import Invalid

DNS_PORT = 53


def open_resolver(servers: Sequence[str]) -> dns.asyncresolver.Resolver:
    """Asks these name servers (`host`, `host:port`, `[IPv6]:port`), or the system's where none is named."""
    if not servers:
        return dns.asyncresolver.Resolver()
    resolver = dns.asyncresolver.Resolver(configure=False)
    hosts = [parse_host(server, DNS_PORT) for server in servers]
    resolver.nameservers = [host for host, _ in hosts]
    resolver.nameserver_ports = dict(hosts)
    return resolver


def parse_host(text: str, default_port: int) -> tuple[str, int]:
    """`host`, `host:port`, `[IPv6]:port`, or a bare IPv6 address. Invalid."""
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise Invalid(f"{text!r} is not host or host:port")
    return host, int(port) if port else default_port
