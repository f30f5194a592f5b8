# SPDX-License-Identifier: Apache-2.0
"""Autodiscover as Outlook asks for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from armgs_server.errors import Invalid, TooLarge
from armgs_server.portal import autodiscover
from tests.portal.client import get
from tests.world import IVANOV, World

REQUEST = """<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>
<EMailAddress>{}</EMailAddress>
<AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\
</AcceptableResponseSchema></Request></Autodiscover>"""


async def ask(world: World, body: str, path: str = "/autodiscover/autodiscover.xml") -> tuple[int, bytes]:
    answer = await get(world, path, method="POST", body=body.encode())
    return answer.status, answer.body


async def test_where_the_services_are(world: World) -> None:
    for path in ("/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml"):
        status, body = await ask(world, REQUEST.format(IVANOV), path)
        assert status == 200
        found = {
            each.findtext("{*}Type"): (each.findtext("{*}Port"), each.findtext("{*}Encryption"))
            for each in etree.fromstring(body).iter("{*}Protocol")
        }
        assert found["IMAP"] == (str(world.ports["imaps"]), "SSL")
        assert found["SMTP"] == (str(world.ports["submissions"]), "SSL")
    unknown = await ask(world, REQUEST.format("nobody@digital.example"))
    assert unknown[0] == 200  # who is there is not told


async def test_what_is_refused(world: World) -> None:
    assert (await ask(world, REQUEST.format("somebody@elsewhere.example")))[0] == 404
    assert (await ask(world, "<Autodiscover/>"))[0] == 400
    assert (await ask(world, "not XML"))[0] == 400
    assert (await get(world, "/autodiscover/autodiscover.xml")).status == 405
    assert (await get(world, "/autodiscover/other.xml", method="POST", body=b"")).status == 404


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    try:
        assert "@" in autodiscover.address_in(data)
    except (Invalid, TooLarge):
        return


def test_an_entity_is_no_address() -> None:
    with pytest.raises(Invalid):
        autodiscover.address_in(b'<!DOCTYPE a [<!ENTITY e "a@b">]><a><EMailAddress>&e;</EMailAddress></a>')
