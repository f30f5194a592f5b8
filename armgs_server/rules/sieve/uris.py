# SPDX-License-Identifier: Apache-2.0
"""URIs of notification methods: mailto (RFC 6068, RFC 5436 §2.2) and xmpp (RFC 5122, RFC 5437 §2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from armgs_server.errors import Invalid
from armgs_server.formats import addresses

MAX_URI: Final = 2000
MAX_RECIPIENTS: Final = 5
# RFC 5436 §2.4: what a URI may not set.
_FORBIDDEN: Final = frozenset(
    "from sender return-path received auto-submitted date message-id reply-to content-type mime-version"
    " content-transfer-encoding bcc".split()
)


@dataclass(frozen=True, slots=True)
class Method:
    """A notification's way: `recipients` are mail addresses, or one JID."""

    scheme: str
    recipients: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict)  # of the URI: subject, body …


def parse_method(uri: str) -> Method:
    """Invalid for a method that is not here, or a URI that is none."""
    scheme, colon, rest = uri.partition(":")
    if not colon or len(uri) > MAX_URI:
        raise Invalid("a notification method is a URI")
    if scheme.lower() == "mailto":
        return _parse_mailto(rest)
    if scheme.lower() == "xmpp":
        return _parse_xmpp(rest)
    raise Invalid(f"there is no notification method {scheme[:20]!r}")


def _parse_mailto(rest: str) -> Method:
    path, _, query = rest.partition("?")
    recipients = [unquote(address) for address in path.split(",") if address]
    fields: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        name = unquote(name).lower()
        if name in ("to", "cc"):
            recipients += [unquote(address).strip() for address in value.split(",") if address]
        elif name not in _FORBIDDEN and name.isascii() and name.replace("-", "").isalnum():
            fields[name] = unquote(value)
    if not recipients or len(recipients) > MAX_RECIPIENTS:
        raise Invalid(f"mailto wants one to {MAX_RECIPIENTS} addresses")
    return Method(
        "mailto", tuple(addresses.normalise(str(addresses.parse(each))) for each in recipients), fields
    )


def _parse_xmpp(rest: str) -> Method:
    """xmpp:[//auth/]JID[?message…]: the message goes to the bare JID."""
    if rest.startswith("//"):  # RFC 5122 §2.2: the account that sends; ours is chosen by the server
        rest = rest[2:].partition("/")[2]
    path, _, query = rest.partition("?")
    jid = unquote(path).partition("/")[0]
    fields: dict[str, str] = {}
    for pair in query.partition(";")[2].split(";"):
        name, equals, value = pair.partition("=")
        if equals:
            fields[unquote(name).lower()] = unquote(value)
    return Method("xmpp", (addresses.normalise(str(addresses.parse(jid))),), fields)
