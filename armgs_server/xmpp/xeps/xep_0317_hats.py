# SPDX-License-Identifier: Apache-2.0
"""XEP-0317: Hats. What somebody is in the directory, post and unit, is worn in the rooms of this server.

Hats follow from the directory alone, so there are no commands to make or assign them (§2: optional). Where
a room hides addresses it hides hats too: they would tell who it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from armgs_server.directory import Principal
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import element

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

NAMESPACE: Final = "urn:xmpp:hats:0"


async def of(server: Server, jid: JID) -> bytes:
    """§3.1: the `<hats/>` of a person of ours, empty for anybody else."""
    person = await server.person(jid) if server.is_local(jid.domain) else None
    return b"" if person is None else await _of(server, person)


async def _of(server: Server, person: Principal) -> bytes:
    domain = person.address.partition("@")[2]
    unit = await server.directory.by_id(person.unit) if person.unit else None
    hats = b""
    if person.post:
        hats += _hat(domain, "post", person.post)
    if unit is not None:
        hats += _hat(domain, "unit", unit.name)
    return element("hats", {"xmlns": NAMESPACE}, hats) if hats else b""


async def of_changed(server: Server, changed: Iterable[int]) -> dict[str, bytes]:
    """By bare JID, the hats of those people, by number, who are in the directory still."""
    found = [await server.directory.by_id(each) for each in changed]
    people = [each for each in found if each is not None and each.kind == "person"]
    return {person.address: await _of(server, person) for person in people}


def _hat(domain: str, kind: str, title: str) -> bytes:
    """§3.1: the URI is what a hat is known by, so it is the same for all who have that post."""
    digest = hashlib.sha256(title.encode()).hexdigest()[:16]
    return element("hat", {"title": title, "uri": f"xmpp:{domain}#{kind}-{digest}"})
