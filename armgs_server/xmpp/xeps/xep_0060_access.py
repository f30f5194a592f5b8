# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §4.1, §4.5: who may do what at a node. Every question of rights to a node is answered here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from armgs_server.directory import Principal
from armgs_server.storage import clock, pubsub, pubsub_members
from armgs_server.storage.pubsub import Node
from armgs_server.storage.pubsub_members import Subscription
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp import roster
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.server import Server
from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps import xep_0060_config
from armgs_server.xmpp.xeps.xep_0060_config import NodeConfig
from armgs_server.xmpp.xeps.xep_0060_nodes import Nodes, error

AFFILIATIONS = ("owner", "publisher", "publish-only", "member", "outcast", "none")
_TRUSTED = frozenset({"owner", "publisher", "member"})  # may read whatever the access model
_FORBIDDEN = frozenset({"outcast", "publish-only"})  # §4.1: may neither subscribe nor read


@dataclass(frozen=True, slots=True)
class Standing:
    """What a node knows of whoever asks."""

    node: Node
    config: NodeConfig
    affiliation: str
    subscriptions: tuple[Subscription, ...]  # of the bare JID, with whatever resource

    @property
    def is_owner(self) -> bool:
        return self.affiliation == "owner"

    @property
    def is_subscribed(self) -> bool:
        return any(each.state == "subscribed" for each in self.subscriptions)

    @property
    def may_publish(self) -> bool:
        """§4.1, and the publish model (§16.4.4)."""
        if self.affiliation in ("owner", "publisher", "publish-only"):
            return True
        if self.affiliation == "outcast":
            return False
        model = self.config.publish_model
        return model == "open" or (model == "subscribers" and self.is_subscribed)


async def standing(tx: Tx, nodes: Nodes, node: str, bare: str) -> Standing | None:
    """How somebody stands at a node; None where there is no such node."""
    found = await pubsub.get(tx, nodes.owner, node)
    if found is None:
        return None
    affiliation = "owner"
    if not (nodes.is_personal and bare == nodes.address):
        affiliation = await pubsub_members.affiliation(tx, nodes.owner, node, bare)
    subscriptions = await pubsub_members.subscriptions_of(tx, nodes.owner, bare, clock.now(), node)
    return Standing(found, xep_0060_config.from_data(found.config), affiliation, tuple(subscriptions))


async def find(nodes: Nodes, node: str, origin: JID) -> Standing:
    """The same in a transaction of its own; `item-not-found` or, after a move, `gone`."""
    return await nodes.server.store.read(lambda tx: require(tx, nodes, node, origin))


async def require(tx: Tx, nodes: Nodes, node: str, origin: JID) -> Standing:
    """The same within a transaction."""
    found = await standing(tx, nodes, node, origin.bare)
    if found is None:
        uri = await pubsub_members.redirect(tx, nodes.owner, node)
        if uri is not None:
            raise StanzaError("gone", type="modify", uri=uri)  # §6.1.3.11
        raise StanzaError("item-not-found")
    return found


async def require_owner(tx: Tx, nodes: Nodes, node: str, origin: JID) -> Standing:
    """§8: what only an owner may do."""
    found = await require(tx, nodes, node, origin)
    if not found.is_owner:
        raise StanzaError("forbidden")
    return found


async def owners(tx: Tx, nodes: Nodes, node: str) -> list[str]:
    """Bare JIDs of those who own a node."""
    if nodes.is_personal:
        return [nodes.address]
    everybody = await pubsub_members.affiliations(tx, nodes.owner, node)
    return [jid for jid, affiliation in everybody.items() if affiliation == "owner"]


async def check_access(nodes: Nodes, found: Standing, bare: str, *, subscribing: bool = False) -> None:
    """§6.1.3, §6.5.9: who may subscribe and read. With the model `authorize` anybody may ask."""
    if found.affiliation in _TRUSTED:
        return
    if found.affiliation in _FORBIDDEN:
        raise StanzaError("forbidden")  # §6.1.3.8
    model, node = found.config.access_model, found.node.name
    if model == "open" or (model == "authorize" and (subscribing or found.is_subscribed)):
        return
    if model == "presence":
        if not await _is_contact(nodes, node, found.config, bare):
            raise error("not-authorized", "presence-subscription-required")
    elif model == "roster":
        if not await _is_contact(nodes, node, found.config, bare):
            raise error("not-authorized", "not-in-roster-group")
    elif model == "whitelist":  # §4.5: a subscription made before does not put anybody on it
        raise error("not-allowed", "closed-node")
    else:
        raise error("not-authorized", "not-subscribed")  # §6.5.9.3


async def may_read(nodes: Nodes, found: Standing, bare: str) -> bool:
    """Whether `check_access` lets somebody read."""
    try:
        await check_access(nodes, found, bare)
    except StanzaError:
        return False
    return True


async def may_hear(
    nodes: Nodes, node: str, config: NodeConfig, affiliations: Mapping[str, str], bare: str
) -> bool:
    """§4.5: whether a subscriber still is one of those who may read: a contact, on the list, not banned."""
    affiliation = affiliations.get(bare, "none")
    if affiliation in _TRUSTED or (nodes.is_personal and bare == nodes.address):
        return True
    if affiliation in _FORBIDDEN or config.access_model == "whitelist":
        return False
    return config.access_model in ("open", "authorize") or await _is_contact(nodes, node, config, bare)


async def _is_contact(nodes: Nodes, node: str, config: NodeConfig, bare: str) -> bool:
    """Whether somebody sees the presence of one of the owners, and is in one of the groups of that roster."""
    if nodes.person is not None:
        people = [nodes.person]
    else:
        addresses = await nodes.server.store.read(lambda tx: owners(tx, nodes, node))
        if not addresses:  # the department's own node (directory.news): its people are its contacts
            return await _is_of_department(nodes, node, bare)
        known = [await nodes.server.person(jids.parse(address)) for address in addresses]
        people = [person for person in known if person is not None]
    groups = config.roster_groups_allowed
    for person in people:
        if await roster.sees(nodes.server, person, bare):
            if config.access_model != "roster" or await is_in_group(nodes.server, person, bare, groups):
                return True
    return False


async def _is_of_department(nodes: Nodes, node: str, bare: str) -> bool:
    found = await nodes.server.store.read(lambda tx: pubsub.get(tx, nodes.owner, node))
    if found is None or found.creator != nodes.address:
        return False
    person = await nodes.server.person(jids.parse(bare)) if bare else None
    return person is not None and not person.disabled and person.department == nodes.owner


async def is_in_group(server: Server, person: Principal, bare: str, groups: tuple[str, ...]) -> bool:
    """Whether the person's roster has the contact in one of those groups."""
    item = (await roster.load(server, person)).get(bare)
    return item is not None and not set(item.groups).isdisjoint(groups)


async def members_of_groups(server: Server, person: Principal, groups: tuple[str, ...]) -> frozenset[str]:
    """Bare JIDs of everybody whom the person's roster has in one of those groups."""
    whole = await roster.load(server, person)
    items = {**whole.colleagues.items, **whole.stored}
    return frozenset(jid for jid, item in items.items() if not set(item.groups).isdisjoint(groups))
