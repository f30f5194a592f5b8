# SPDX-License-Identifier: Apache-2.0
"""XEP-0441: Message Archive Management Preferences: whose messages a person wants in the archive.

Each side of a conversation has preferences of its own, and they say nothing about delivery: what is not
archived still waits for who is away. Where `[xmpp] archive_preferences` is off, everything is archived.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from armgs_server.directory import Principal
from armgs_server.storage import documents
from armgs_server.storage import roster as stored_roster
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.iq import ACCOUNT, Query, Route
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import StanzaError, element, text_element

if TYPE_CHECKING:
    from lxml import etree

    from armgs_server.xmpp.server import Server

NAMESPACE: Final = "urn:xmpp:mam:2"
TOPIC: Final = "archive-preferences"
_DOCUMENT: Final = "archive preferences"
_DEFAULTS: Final = ("always", "never", "roster")
_MAX_JIDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Preferences:
    """§2.1: `always` and `never` are JIDs; `default` holds for all others."""

    default: str = "always"
    always: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


EVERYTHING: Final = Preferences()


async def load(tx: Tx, owner: int) -> Preferences:
    """What somebody has chosen, or that everything is archived."""
    value = await documents.get(tx, owner, _DOCUMENT)
    if value is None:
        return EVERYTHING
    data = json.loads(value)
    return Preferences(data["default"], tuple(data["always"]), tuple(data["never"]))


async def is_wanted(server: Server, owner: Principal, peer: JID) -> bool:
    """Whether the person wants messages to and from that JID in the archive."""
    if not server.config.xmpp.archive_preferences:
        return True
    preferences = await server.archive_preferences.get(owner.id)
    if preferences is EVERYTHING:
        return True
    if _is_listed(peer, preferences.never):
        return False
    if _is_listed(peer, preferences.always):
        return True
    if preferences.default == "roster":
        return await _is_contact(server, owner, peer.bare)
    return preferences.default == "always"


def _is_listed(peer: JID, listed: tuple[str, ...]) -> bool:
    """§2.3.1: a JID with a resource is compared as it is, one without by the bare JID."""
    return peer.full in listed or peer.bare in listed


async def _is_contact(server: Server, owner: Principal, bare: str) -> bool:
    item = await server.store.read(lambda tx: stored_roster.get(tx, owner.id, bare))
    if item is not None and item.subscription:
        return True
    return any(colleague.address == bare for colleague in await server.directory.roster_of(owner))


async def handle_get(query: Query) -> bytes:
    if not query.server.config.xmpp.archive_preferences:
        return _serialise(EVERYTHING)
    owner = query.owner
    return _serialise(await query.server.store.read(lambda tx: load(tx, owner)))


async def handle_set(query: Query) -> bytes:
    server, owner = query.server, query.owner
    if not server.config.xmpp.archive_preferences:
        raise StanzaError("not-allowed", "everything is archived here")
    payload = query.payload
    default = payload.get("default", "")
    if default not in _DEFAULTS:  # §2.1.1
        raise StanzaError("bad-request", "default is always, never or roster")
    preferences = Preferences(default, _jids(payload, "always"), _jids(payload, "never"))
    value = json.dumps(
        {"default": default, "always": preferences.always, "never": preferences.never}
    ).encode()

    async def work(tx: Tx) -> None:
        await documents.put(tx, owner, _DOCUMENT, value)
        server.archive_preferences.changed(tx, owner)

    await server.store.write(work)
    return _serialise(preferences)


def _jids(payload: etree._Element, name: str) -> tuple[str, ...]:
    """§2.1.2, §2.1.3: a list that is missing is empty."""
    found = payload.findall(f"{{{NAMESPACE}}}{name}/{{{NAMESPACE}}}jid")
    if len(found) > _MAX_JIDS:
        raise StanzaError("resource-constraint", f"no more than {_MAX_JIDS} addresses")
    return tuple(dict.fromkeys(jids.parse((each.text or "").strip()).full for each in found))


def _serialise(preferences: Preferences) -> bytes:
    lists = b"".join(
        element(name, {}, b"".join(text_element("jid", jid) for jid in listed))
        for name, listed in (("always", preferences.always), ("never", preferences.never))
    )
    return element("prefs", {"xmlns": NAMESPACE, "default": preferences.default}, lists)


ROUTES: Final = (
    Route("get", NAMESPACE, "prefs", ACCOUNT, handle_get),
    Route("set", NAMESPACE, "prefs", ACCOUNT, handle_set),
)
