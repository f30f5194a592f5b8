# SPDX-License-Identifier: Apache-2.0
"""PACC: one JSON document from which a program sets up mail, calendars, contacts and files of a domain.

draft-ietf-mailmaint-pacc: https://ua-auto-config.DOMAIN/.well-known/user-agent-configuration.json, and a TXT
record _ua-auto-config.DOMAIN with the digest of its bytes. So the bytes follow from the configuration alone:
what the DNS says and what is served come from `document`, and every process serves the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from armgs_server.config import Config
from armgs_server.errors import NotFound
from armgs_server.formats.addresses import to_ascii
from armgs_server.net.http import Handler, Request, Response
from armgs_server.portal.endpoints import Endpoints, find_endpoints
from armgs_server.portal.safety import Safety

PATH: Final = "/.well-known/user-agent-configuration.json"
LABEL: Final = "ua-auto-config"
# The draft knows no other ports than those of TLS from the first byte (RFC 8314).
_PORTS: Final = {"imap": 993, "pop3": 995, "smtp": 465}
_NAME_LIMIT, _SHORT_NAME_LIMIT = 60, 20


class Pacc:
    """The route; it tells nothing of anybody."""

    def __init__(self, config: Config, endpoints: Endpoints, safety: Safety) -> None:
        self._config = config
        self._endpoints = endpoints
        self._safety = safety

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return (self._safety.page(PATH, self.answer),)

    async def answer(self, request: Request) -> Response:
        """That of the domain whose host was asked, or of the main one."""
        domains = self._config.server.domains
        host = (request.header("host") or "").partition(":")[0].lower().removeprefix(f"{LABEL}.")
        asked = (domain for domain in domains if to_ascii(domain) == host)
        domain = next(asked, next(iter(domains), ""))
        made = document(self._config, self._endpoints, domain) if domain else None
        if made is None:
            raise NotFound()
        headers = [("Content-Type", "application/json"), ("Access-Control-Allow-Origin", "*")]
        return Response(200, headers, made)


def of_domain(config: Config, domain: str) -> bytes | None:
    """The document, for who has no endpoints at hand."""
    return document(config, find_endpoints(config, has_tls=bool(config.tls.certificate)), domain)


def document(config: Config, endpoints: Endpoints, domain: str) -> bytes | None:
    """The bytes; None where other ports are used, or no TLS: nothing true could be said."""
    hosts = {
        name: {"host": endpoints.hostname}
        for name, port in _PORTS.items()
        if any(each.port == port and each.protection == "TLS" for each in endpoints.of(name))
    }
    if "imap" not in hosts or "smtp" not in hosts or endpoints.base_url != f"https://{endpoints.hostname}":
        return None
    # COMPAT programs of the draft's version 02: what is `submit` now was `smtp` then.
    protocols: dict[str, Any] = {**hosts, "submit": hosts["smtp"]}
    protocols |= {name: {"url": endpoints.dav_url} for name in ("caldav", "carddav", "webdav")}
    authentication: dict[str, Any] = {"password": True}
    if config.oauth.enabled and config.oauth.registration:
        authentication["oauth-public"] = {"issuer": endpoints.base_url}
    made = {
        "protocols": protocols,
        "authentication": authentication,
        "info": {
            "provider": {"name": domain[:_NAME_LIMIT], "shortName": domain[:_SHORT_NAME_LIMIT]},
            "help": {"documentation": f"{endpoints.base_url}/", "contact": [f"mailto:postmaster@{domain}"]},
        },
    }
    return json.dumps(made, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def digest_record(made: bytes) -> str:
    """The TXT record's text."""
    return f"v=UAAC1; a=sha256; d={base64.b64encode(hashlib.sha256(made).digest()).decode()}"
