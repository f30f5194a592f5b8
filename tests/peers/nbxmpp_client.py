# SPDX-License-Identifier: Apache-2.0
"""Gajim's engine, run by the system's Python: logs in, reads the roster, bookmarks and archive, says hello.

Arguments: address, password, port, whom to write to. Prints one line for each thing that worked.
"""

import sys

from gi.repository import GLib
from nbxmpp.client import Client
from nbxmpp.const import ConnectionProtocol, ConnectionType
from nbxmpp.protocol import JID, Message, Presence
from nbxmpp.structs import StanzaHandler

TIMEOUT = 25
address, password, port, peer = sys.argv[1:5]
loop = GLib.MainLoop()


def finish(*_: object) -> bool:
    loop.quit()
    return False


client = Client(log_context="test")
client.set_domain(address.partition("@")[2])
client.set_username(address.partition("@")[0])
client.set_password(password)
client.set_resource("nbxmpp")
client.set_custom_host(f"localhost:{port}", ConnectionProtocol.TCP, ConnectionType.START_TLS)
client.set_connection_types([ConnectionType.START_TLS])
client.set_ignore_tls_errors(True)


def on_roster(task: object) -> None:
    roster = task.finish()  # type: ignore[attr-defined]
    print("roster", *sorted(f"{item.jid}:{item.subscription}" for item in roster.items), flush=True)
    client.send_stanza(Presence())
    client.get_module("Discovery").disco_info(JID.from_string(address), callback=on_info)


def on_info(task: object) -> None:
    info = task.finish()  # type: ignore[attr-defined]
    print("archive", info.supports("urn:xmpp:mam:2"), "events", info.has_category("pubsub"), flush=True)
    client.send_stanza(Message(to=peer, body="Привет от nbxmpp", typ="chat"))


def on_message(_client: object, _stanza: object, properties: object) -> None:
    print("message", properties.body, flush=True)  # type: ignore[attr-defined]
    client.disconnect()


def on_connected(_client: object, _signal: object) -> None:
    print("connected", client.tls_version is not None, client.sm_supported, flush=True)
    client.get_module("Roster").request_roster(None, callback=on_roster)


client.subscribe("connected", on_connected)
client.subscribe("disconnected", finish)
client.subscribe("connection-failed", finish)
client.register_handler(StanzaHandler(name="message", callback=on_message, priority=50))
client.connect()
GLib.timeout_add_seconds(TIMEOUT, finish)
loop.run()
