# SPDX-License-Identifier: Apache-2.0
"""XEP-0157: addresses told with disco#info, and in what XEP-0115 hashes of it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from armgs_server import xmpp
from armgs_server.config import Config
from armgs_server.errors import Invalid
from tests.world import World
from tests.xmpp.client import Client, find

IVANOV, DOMAIN = "ivanov@digital.example", "digital.example"
ABUSE = "mailto:abuse@digital.example"
CONTACTS = [f"support xmpp:help@{DOMAIN}", f"abuse {ABUSE}", f"abuse xmpp:abuse@{DOMAIN}"]
D, X = "{http://jabber.org/protocol/disco#info}", "{jabber:x:data}"
CAPS = "{http://jabber.org/protocol/caps}c"


def hashed(query: Element) -> str:
    """XEP-0115 §5.1, after its own words."""
    parts = sorted(
        f"{each.get('category')}/{each.get('type')}//{each.get('name', '')}"
        for each in query.iterfind(f"{D}identity")
    )
    parts += sorted(each.get("var", "") for each in query.iterfind(f"{D}feature"))
    for form in query.iterfind(f"{X}x"):
        fields = {
            each.get("var", ""): sorted(value.text or "" for value in each.iterfind(f"{X}value"))
            for each in form.iterfind(f"{X}field")
        }
        parts += fields.pop("FORM_TYPE")
        for name, values in sorted(fields.items()):
            parts += [name, *values]
    return base64.b64encode(hashlib.sha1("".join(f"{part}<" for part in parts).encode()).digest()).decode()


@pytest.mark.parametrize("contacts", [CONTACTS, []])
async def test_addresses_are_told(tmp_path: Path, contacts: list[str]) -> None:
    async with World(tmp_path, settings={"xmpp": {"contacts": contacts}}) as world:
        async with Client(world, IVANOV) as ivanov:
            await ivanov.connect()
            await ivanov.open()
            await ivanov.authenticate()
            features = await ivanov.open()
            await ivanov.bind()
            answer = await ivanov.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=DOMAIN)
            query = find(answer, "disco:query")
            told = {
                each.get("var"): [value.text for value in each.iterfind(f"{X}value")]
                for each in query.iterfind(f"{X}x/{X}field")
            }
            if contacts:
                assert told == {
                    "FORM_TYPE": ["http://jabber.org/network/serverinfo"],
                    "abuse-addresses": [ABUSE, f"xmpp:abuse@{DOMAIN}"],
                    "support-addresses": [f"xmpp:help@{DOMAIN}"],
                }
            else:
                assert told == {}
            caps = features.find(CAPS)
            assert caps is not None and caps.get("ver") == hashed(query)


@pytest.mark.parametrize("contact", ["abuse", "abuse nobody", "boss mailto:a@b.example", ""])
def test_what_is_no_contact(contact: str) -> None:
    config = Config(Path())
    with pytest.raises(Invalid):
        xmpp.check(dataclasses.replace(config, xmpp=dataclasses.replace(config.xmpp, contacts=(contact,))))
