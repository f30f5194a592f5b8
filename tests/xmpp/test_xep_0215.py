# SPDX-License-Identifier: Apache-2.0
"""External services as clients are told of them; a relay that is used: tests/peers/test_coturn.py."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server import config as configuration
from armgs_server import xmpp
from armgs_server.errors import Invalid
from armgs_server.xmpp.xeps import xep_0215_services
from armgs_server.xmpp.xeps.xep_0215_services import Service, parse_service
from tests.world import IVANOV, World
from tests.xmpp.client import Client, error_of

EXTDISCO = "{urn:xmpp:extdisco:2}"
DOMAIN = "digital.example"
SECRET = b"0123456789abcdef"


@pytest.fixture
async def ivanov(tmp_path: Path) -> AsyncIterator[Client]:
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    settings = {
        "xmpp": {
            "call_services": ["stun:turn.digital.example", "turn:10.0.0.1:5000?transport=tcp"],
            "turn_secret": str(tmp_path / "secret"),
            "turn_lifetime": 600.0,
        }
    }
    async with World(tmp_path, settings=settings) as world, Client(world, IVANOV) as client:
        await client.log_in()
        yield client


def services(answer: Element) -> list[dict[str, str]]:
    return [dict(each.attrib) for each in answer.iter(f"{EXTDISCO}service")]


async def test_services_and_credentials(ivanov: Client) -> None:
    stun, turn = services(await ivanov.iq("<services xmlns='urn:xmpp:extdisco:2'/>", to=DOMAIN))
    assert stun == {"type": "stun", "host": "turn.digital.example", "port": "3478", "transport": "udp"}
    assert (turn["type"], turn["host"], turn["port"], turn["transport"], turn["restricted"]) == (
        "turn",
        "10.0.0.1",
        "5000",
        "tcp",
        "1",
    )
    expires = int(turn["username"].partition(":")[0])
    assert 500 < expires - time.time() <= 600
    assert turn["expires"] == time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(expires))
    digest = hmac.digest(SECRET, turn["username"].encode(), hashlib.sha1)
    assert base64.b64decode(turn["password"]) == digest
    only = services(await ivanov.iq("<services xmlns='urn:xmpp:extdisco:2' type='stun'/>", to=DOMAIN))
    assert only == [stun]

    def ask(attributes: str) -> str:
        return f"<credentials xmlns='urn:xmpp:extdisco:2'><service {attributes}/></credentials>"

    answer = await ivanov.iq(ask("host='10.0.0.1' type='turn'"), to=DOMAIN)
    assert [each["host"] for each in services(answer)] == ["10.0.0.1"]
    answer = await ivanov.iq(ask("host='10.0.0.1' type='turn' port='1'"), to=DOMAIN)
    assert error_of(answer) == "item-not-found"
    assert error_of(await ivanov.iq(ask("type='turn'"), to=DOMAIN)) == "bad-request"


@pytest.mark.parametrize(
    ("uri", "service"),
    [
        ("stun:a.example", Service("stun", "a.example", 3478, "udp")),
        ("turns:a.example", Service("turns", "a.example", 5349, "tcp")),
        ("turn:[fd00::1]:99?transport=udp", Service("turn", "fd00::1", 99, "udp")),
    ],
)
def test_uris(uri: str, service: Service) -> None:
    assert parse_service(uri) == service


@given(st.one_of(st.text(), st.from_regex(r"turns?:[a-z.:]*[0-9]*(\?transport=...)?")))
def test_a_uri_is_right_or_invalid(uri: str) -> None:
    try:
        service = parse_service(uri)
    except Invalid as error:
        assert "xmpp.call_services" in error.text
    else:
        assert 0 < service.port < 65536 and service.host


def test_settings_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "armgs.toml"

    def load(text: str) -> configuration.Config:
        path.write_text(f"[server]\ndomains = ['digital.example']\n[xmpp]\n{text}")
        return configuration.load(path)

    xmpp.check(load("call_services = ['stun:a.example']"))
    for wrong in ("['http://a.example']", "['turn:a.example']", "['turn:a.example:70000']"):
        with pytest.raises(Invalid):
            xmpp.check(load(f"call_services = {wrong}"))
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(Invalid, match="is empty"):
        xmpp.check(load("call_services = ['turn:a.example']\nturn_secret = 'empty'"))
    (tmp_path / "full").write_text("x\n")
    assert xep_0215_services.read_secret(load("turn_secret = 'full'")) == b"x"
