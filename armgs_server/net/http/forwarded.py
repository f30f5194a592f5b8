# SPDX-License-Identifier: Apache-2.0
"""The client behind reverse proxies that speak HTTP to us: Forwarded (RFC 7239) or X-Forwarded-For.

Each proxy adds its peer at the end, so the field is read from there, and only as far as proxies of ours
have written it: what stands before that anybody may have invented.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from armgs_server.config import HttpSettings
from armgs_server.net.hosts import is_within
from armgs_server.net.http.message import Request
from armgs_server.net.proxy import spelled

# RFC 7239 §4: pairs apart by semicolons, elements by commas; a quoted value may have either in it.
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_FOR = re.compile(r'(?i)(?:^|;)\s*for=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))\s*(?=;|$)')
_NODE = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\w+)?|([0-9.]+)(?::\w+)?|([0-9A-Fa-f:.]+)")


def name_client(request: Request, settings: HttpSettings) -> None:
    """Makes the client the request's peer, when the request comes from one of our proxies."""
    field = request.header(settings.forwarding_header) or ""
    nodes = _forwarded(field) if settings.forwarding_header == "forwarded" else field.split(",")
    for node in reversed(list(nodes)):
        address = parse_node(node)
        if address is None or not is_within(request.peer, settings.forwarding_hosts):
            return
        request.peer = address


def _forwarded(field: str) -> Iterator[str]:
    for element in _ELEMENT.findall(field):
        match = _FOR.search(element.strip())
        yield "" if match is None else match[1] or match[2]


def parse_node(node: str) -> str | None:
    """The address of a node (RFC 7239 §6), without its port; None for `unknown`, `_hidden` and nonsense."""
    match = _NODE.fullmatch(node.strip())
    if match is None:
        return None
    try:
        return spelled(ip_address(match[1] or match[2] or match[3]))
    except ValueError:
        return None
