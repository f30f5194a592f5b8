# SPDX-License-Identifier: Apache-2.0
"""XEP-0215: External Service Discovery: STUN and TURN for calls, with passwords that soon expire.

The services are those of `[xmpp] call_services`, as URIs (RFC 7064, RFC 7065). Their passwords follow from
a secret that this server and coturn share (coturn's `use-auth-secret`): the user name says until when it is
good, the password is its HMAC, so neither side keeps anything. See etc/coturn/turnserver.conf.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from armgs_server import log
from armgs_server.config import Config
from armgs_server.errors import Invalid
from armgs_server.storage import clock
from armgs_server.xmpp.iq import SERVER, Query, Route
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps.xep_0160_offline import timestamp

LOG = log.get("calls")
NAMESPACE: Final = "urn:xmpp:extdisco:2"
FEATURES: Final = (NAMESPACE,)
# RFC 7064 §3.1, RFC 7065 §3.1: scheme ":" host [ ":" port ] [ "?transport=" transport ]
_URI: Final = re.compile(
    r"(stuns?|turns?):(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?(?:\?transport=(udp|tcp))?"
)
_PORTS: Final = {"stun": 3478, "turn": 3478, "stuns": 5349, "turns": 5349}
_TRANSPORTS: Final = {"stun": "udp", "turn": "udp", "stuns": "tcp", "turns": "tcp"}


@dataclass(frozen=True, slots=True)
class Service:
    """§3: one external service; TURN wants a password."""

    type: str
    host: str
    port: int
    transport: str

    @property
    def is_restricted(self) -> bool:
        return self.type in ("turn", "turns")


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str
    password: str
    expires: int


def parse_service(uri: str) -> Service:
    """A STUN or TURN URI; Invalid."""
    match = _URI.fullmatch(uri.strip())
    if match is None or not 0 < int(match[3] or _PORTS[match[1]]) < 65536:
        raise Invalid(f"xmpp.call_services: {uri!r} is not like turn:HOST:PORT?transport=udp")
    type_, host, port, transport = match.groups()
    return Service(type_, host.strip("[]"), int(port or _PORTS[type_]), transport or _TRANSPORTS[type_])


def check(config: Config) -> None:
    """The settings of calls; Invalid."""
    services = [parse_service(uri) for uri in config.xmpp.call_services]
    if any(service.is_restricted for service in services):
        read_secret(config)


def read_secret(config: Config) -> bytes:
    """What coturn has as static-auth-secret; Invalid where the file is missing or empty."""
    if not config.xmpp.turn_secret:
        raise Invalid("xmpp.turn_secret: TURN needs a file with the secret of the TURN server")
    path = config.path(config.xmpp.turn_secret)
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise Invalid(f"xmpp.turn_secret: {path}: {error}") from error
    if not secret:
        raise Invalid(f"xmpp.turn_secret: {path} is empty")
    return secret


def credentials(secret: bytes, owner: int, now: int, lifetime: float) -> Credentials:
    """The user name is the time in seconds and, for the TURN server's journal, the person's number."""
    expires = now // clock.SECOND + int(lifetime)
    username = f"{expires}:{owner}"
    digest = hmac.digest(secret, username.encode(), hashlib.sha1)
    return Credentials(username, base64.b64encode(digest).decode(), expires * clock.SECOND)


async def handle_services(query: Query) -> bytes:
    """§4.1, §4.2: all services, or those of one type, each ready for use."""
    type_ = query.payload.get("type") or ""
    services = [service for service in _services(query) if not type_ or service.type == type_]
    return element("services", {"xmlns": NAMESPACE, "type": type_}, _serialise(query, services))


async def handle_credentials(query: Query) -> bytes:
    """§4.3: a new password for a service that the client knows by host and type."""
    wanted = query.payload.find(f"{{{NAMESPACE}}}service")
    if wanted is None or not wanted.get("host") or not wanted.get("type"):
        raise StanzaError("bad-request", "a service has a host and a type")
    port = wanted.get("port")
    services = [
        service
        for service in _services(query)
        if service.is_restricted
        and (service.host, service.type) == (wanted.get("host"), wanted.get("type"))
        and port in (None, str(service.port))
    ]
    if not services:
        raise StanzaError("item-not-found", "no such service with credentials")
    return element("credentials", {"xmlns": NAMESPACE}, _serialise(query, services))


def _services(query: Query) -> list[Service]:
    return [parse_service(uri) for uri in query.server.config.xmpp.call_services]


def _serialise(query: Query, services: Iterable[Service]) -> bytes:
    config, inner = query.server.config, b""
    for service in services:
        attributes = {
            "type": service.type,
            "host": service.host,
            "port": str(service.port),
            "transport": service.transport,
        }
        if service.is_restricted:
            try:
                secret = read_secret(config)
            except Invalid as error:  # it was there at the start
                LOG.error("no credentials for TURN", error=error.text)
                raise StanzaError("internal-server-error") from error
            made = credentials(secret, query.owner, clock.now(), config.xmpp.turn_lifetime)
            attributes |= {
                "username": made.username,
                "password": made.password,
                "expires": timestamp(made.expires),
                "restricted": "1",
            }
        inner += element("service", attributes)
    return inner


ROUTES: Final = (
    Route("get", NAMESPACE, "services", SERVER, handle_services),
    Route("get", NAMESPACE, "credentials", SERVER, handle_credentials),
)
