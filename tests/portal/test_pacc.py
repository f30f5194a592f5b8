# SPDX-License-Identifier: Apache-2.0
"""portal/pacc.py: the document for each domain, its digest, and when there is none."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from armgs_server.config import Config, OAuthSettings, Pop3Settings, ServerSettings, TlsSettings
from armgs_server.errors import NotFound
from armgs_server.formats.addresses import to_ascii
from armgs_server.net.http import Request
from armgs_server.portal.endpoints import find_endpoints
from armgs_server.portal.pacc import PATH, Pacc, digest_record, of_domain
from armgs_server.portal.pages import Pages
from armgs_server.portal.safety import Safety
from tests.portal.client import get
from tests.world import World

DOMAINS = ("digital.example", "минцифры.рф")
SERVER = ServerSettings(domains=DOMAINS, hostname="mail.digital.example")
CONFIG = Config(Path("."), server=SERVER)


async def asked(config: Config, host: str) -> bytes:
    pacc = Pacc(config, find_endpoints(config, has_tls=True), Safety(config, Pages()))
    [(path, handler)] = pacc.routes
    answer = await handler(Request("GET", path, [(b"host", host.encode())], peer="127.0.0.1", is_tls=True))
    if answer.status != 200:
        raise NotFound()
    assert ("Content-Type", "application/json") in answer.headers
    assert isinstance(answer.body, bytes)
    return answer.body


async def test_the_document() -> None:
    made = await asked(CONFIG, "ua-auto-config.digital.example")
    host, dav = {"host": "mail.digital.example"}, {"url": "https://mail.digital.example/dav/"}
    assert json.loads(made) == {
        "protocols": {
            "imap": host, "pop3": host, "smtp": host, "submit": host,
            "caldav": dav, "carddav": dav, "webdav": dav,
        },
        "authentication": {"password": True, "oauth-public": {"issuer": "https://mail.digital.example"}},
        "info": {
            "provider": {"name": "digital.example", "shortName": "digital.example"},
            "help": {
                "documentation": "https://mail.digital.example/",
                "contact": ["mailto:postmaster@digital.example"],
            },
        },
    }  # fmt: skip


async def test_what_the_dns_says_is_the_digest_of_what_is_served() -> None:
    for domain in DOMAINS:
        made = await asked(CONFIG, f"ua-auto-config.{to_ascii(domain)}")
        assert json.loads(made)["info"]["provider"]["name"] == domain
        in_dns = of_domain(CONFIG, domain)
        assert in_dns is not None
        version, algorithm, digest = digest_record(in_dns).split("; ")
        assert (version, algorithm) == ("v=UAAC1", "a=sha256")
        assert base64.b64decode(digest.removeprefix("d=")) == hashlib.sha256(made).digest()


async def test_what_is_off_is_not_in_it() -> None:
    config = dataclasses.replace(
        CONFIG, pop3=Pop3Settings(enabled=False), oauth=OAuthSettings(registration=False)
    )
    made = json.loads(await asked(config, "digital.example"))
    assert "pop3" not in made["protocols"]
    assert made["authentication"] == {"password": True}


async def test_nothing_is_said_that_would_not_be_true() -> None:
    for config in (
        dataclasses.replace(CONFIG, server=dataclasses.replace(SERVER, port_offset=20000)),
        dataclasses.replace(CONFIG, server=dataclasses.replace(SERVER, domains=())),
    ):
        with pytest.raises(NotFound):
            await asked(config, "digital.example")
    assert of_domain(dataclasses.replace(CONFIG, tls=TlsSettings(certificate="")), DOMAINS[0]) is None


async def test_a_server_on_other_ports_has_none(world: World) -> None:
    assert (await get(world, PATH)).status == 404
