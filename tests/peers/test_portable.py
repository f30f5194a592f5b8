# SPDX-License-Identifier: Apache-2.0
"""Chat moves from Debian's prosody to us: its own XEP-0227 files, written by real use."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from armgs_server.cli.app import main
from tests.peers.federation_peers import Peer
from tests.world import PASSWORD, World
from tests.xmpp.client import Client, find, text
from tests.xmpp.federation import Authority

pytestmark = pytest.mark.peer

DOMAIN = "digital.example"
OLGA, PETR = f"olga@{DOMAIN}", f"petr@{DOMAIN}"
_CONFIGURATION = """\
run_as_root = true
log = {{ debug = "{folder}/log" }}
interfaces = {{ "127.0.0.1" }}
pidfile = "{folder}/pid"
data_path = "{folder}/data"
storage = "xep0227"
ssl = {{ certificate = "{folder}/server.crt", key = "{folder}/server.key" }}
authentication = "internal_hashed"
modules_enabled = {{ "roster", "saslauth", "disco", "vcard", "private", "ping", "tls" }}
modules_disabled = {{ "s2s", "offline" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{}}
s2s_ports = {{}}
s2s_direct_tls_ports = {{}}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
VirtualHost "{domain}"
"""


class ProsodyAtHome(Peer):
    """A prosody that keeps everything as XEP-0227 has it."""

    domain = DOMAIN

    async def start(self) -> None:
        (self.folder / "data").mkdir()
        configuration = self.folder / "prosody.cfg.lua"
        configuration.write_text(
            _CONFIGURATION.format(folder=self.folder, port=self.c2s, domain=DOMAIN), encoding="utf-8"
        )
        command = ("--config", str(configuration), "--root")
        for person in (OLGA, PETR):
            await self.run("prosodyctl", *command, "register", *person.split("@"), PASSWORD)
        await self.launch("prosody", *command, "-F")

    def client(self, jid: str) -> Client:
        """One of our test clients, connected there."""
        return _Guest(cast(World, self), jid, "desk")


class _Guest(Client):
    """Prosody takes the localpart for a name."""

    async def authenticate(self, password: str = PASSWORD) -> None:
        initial = base64.b64encode(f"\0{self.jid.partition('@')[0]}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{initial}</auth>")
        await self.receive("sasl:success")


async def live(peer: ProsodyAtHome) -> None:
    """What prosody's driver of the format can keep: on blocking, events and messages it fails."""
    async with peer.client(OLGA) as olga, peer.client(PETR) as petr:
        await olga.log_in()
        await petr.log_in()
        item = f"<item jid='{PETR}' name='Пётр'><group>Друзья</group></item>"
        for payload in (
            f"<query xmlns='jabber:iq:roster'>{item}</query>",
            "<vCard xmlns='vcard-temp'><FN>Ольга</FN></vCard>",
            "<query xmlns='jabber:iq:private'><notes xmlns='urn:notes'>tea</notes></query>",
        ):
            assert (await olga.iq(payload, "set")).get("type") == "result", payload
        petr.send(f"<presence type='subscribe' to='{OLGA}'/>")
        await petr.settle()


def command(world: World, *arguments: object) -> int:
    return main([*(str(each) for each in arguments), "--config", str(world.config_file)])


async def test_prosody_s_people_come_with_everything(
    tmp_path: Path,
    debian: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    debian("prosody")
    authority = Authority(tmp_path / "authority")
    async with ProsodyAtHome(tmp_path / "prosody", authority, 0) as peer:
        assert isinstance(peer, ProsodyAtHome)
        await live(peer)
    files = sorted((tmp_path / "prosody" / "data").glob("*.xml"))
    assert len(files) == 2
    monkeypatch.setattr("sys.stdin", io.StringIO())
    async with World(tmp_path) as world:
        for file in files:
            code = await asyncio.to_thread(command, world, "import", "chat", file, "--json")
            assert code == 0, capsys.readouterr().out
        async with Client(world, OLGA, "desk") as olga:
            await olga.log_in()
            roster = find(await olga.iq("<query xmlns='jabber:iq:roster'/>"), "roster:query")
            (item,) = [each for each in roster if each.get("name") == "Пётр"]
            assert item.get("jid") == PETR and text(item, "roster:group") == "Друзья"
            card = await olga.iq("<vCard xmlns='vcard-temp'/>")
            assert text(card, "vcard:vCard/vcard:FN") == "Ольга"
            kept = await olga.iq("<query xmlns='jabber:iq:private'><notes xmlns='urn:notes'/></query>")
            assert kept.findtext(".//{urn:notes}notes") == "tea"
            await olga.go_online()
            await olga.receive("c:presence", lambda each: each.get("type") == "subscribe")
