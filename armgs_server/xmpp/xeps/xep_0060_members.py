# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §8.8, §8.9: the owners' lists of subscriptions and of affiliations."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from armgs_server.errors import DomainError
from armgs_server.storage import clock, pubsub_members
from armgs_server.storage.pubsub_members import Subscription
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps import xep_0060_access as access
from armgs_server.xmpp.xeps import xep_0060_approval as approval
from armgs_server.xmpp.xeps import xep_0060_fields, xep_0060_options
from armgs_server.xmpp.xeps import xep_0060_nodes as names
from armgs_server.xmpp.xeps import xep_0060_notify as notifications
from armgs_server.xmpp.xeps.xep_0060_access import AFFILIATIONS
from armgs_server.xmpp.xeps.xep_0060_config import SERVICE_DEFAULTS
from armgs_server.xmpp.xeps.xep_0060_nodes import OWNER, Nodes, Request

_STATES = ("none", "pending", "subscribed", "unconfigured")
_TRUSTED = ("owner", "publisher", "member")
MAX_CHANGES = 500  # in one request


@dataclass(slots=True)
class _Outcome:
    """What was changed, and the elements that could not be (with how things stand)."""

    changed: list[Subscription]
    affiliations: dict[str, str]
    refused: list[bytes]


# Subscriptions


async def handle_subscriptions_get(request: Request, child: etree._Element) -> bytes:
    """§8.8.1: everybody who is subscribed; who waits is not in the list."""
    nodes, node = request.nodes, names.name_of(child)

    async def work(tx: Tx) -> list[Subscription]:
        await access.require_owner(tx, nodes, node, request.origin)
        return await pubsub_members.subscriptions(tx, nodes.owner, node, clock.now())

    listed = [each for each in await nodes.server.store.read(work) if each.state == "subscribed"]
    inner = b"".join(_subscription(each.jid, each.state, each.subid) for each in listed)
    return names.pubsub(element("subscriptions", {"node": node}, inner), OWNER)


async def handle_subscriptions_set(request: Request, child: etree._Element) -> bytes:
    """§8.8.2: only what changes is named; what cannot be changed comes back in the error (§8.8.2.4)."""
    nodes, node = request.nodes, names.name_of(child)
    wanted = child.findall(f"{{{OWNER}}}subscription")
    if len(wanted) > MAX_CHANGES:
        raise StanzaError("policy-violation", "too many changes at once")

    async def work(tx: Tx) -> _Outcome:
        await access.require_owner(tx, nodes, node, request.origin)
        everybody = await pubsub_members.subscriptions(tx, nodes.owner, node, clock.now())
        outcome = _Outcome([], {}, [])
        for each in wanted:
            await _change_subscription(tx, nodes, node, each, everybody, outcome)
        return outcome

    outcome = await nodes.server.store.write(work)

    async def tell() -> None:
        for each in outcome.changed:
            await approval.tell_subscriber(nodes, each)

    if outcome.refused:
        await tell()
        raise _not_acceptable("subscriptions", node, outcome.refused)
    request.after.append(tell)
    return b""


async def _change_subscription(
    tx: Tx,
    nodes: Nodes,
    node: str,
    wanted: etree._Element,
    everybody: Sequence[Subscription],
    outcome: _Outcome,
) -> None:
    jid, subid, state = _jid(wanted), wanted.get("subid") or "", wanted.get("subscription")
    if state is None:
        return  # §8.8.2.1: nothing to be changed
    own = [each for each in everybody if jid is not None and each.jid == jid.full]
    own = [each for each in own if not subid or each.subid == subid]
    if jid is None or state not in _STATES or (state == "none" and not own) or (subid and not own):
        before = own[0].state if own else "none"
        outcome.refused.append(_subscription(wanted.get("jid") or "", before, subid))
    elif state == "none":
        for each in own:
            await pubsub_members.remove(tx, each)
            outcome.changed.append(dataclasses.replace(each, state="none"))
    elif own:
        for each in own:
            changed = dataclasses.replace(each, state="pending" if state == "pending" else "subscribed")
            if changed != each:
                await pubsub_members.put(tx, changed)
                outcome.changed.append(changed)
    else:
        state = "pending" if state == "pending" else "subscribed"
        options = xep_0060_fields.to_data(xep_0060_options.DEFAULTS)
        made = Subscription(
            nodes.owner, node, jid.full, secrets.token_hex(10), jid.bare, nodes.address, state, options, 0
        )
        await pubsub_members.put(tx, made)
        outcome.changed.append(made)


def _subscription(jid: str, state: str, subid: str) -> bytes:
    return element("subscription", {"jid": jid, "subscription": state, "subid": subid})


# Affiliations


async def handle_affiliations_get(request: Request, child: etree._Element) -> bytes:
    """§8.9.1"""
    nodes, node = request.nodes, names.name_of(child)

    async def work(tx: Tx) -> dict[str, str]:
        await access.require_owner(tx, nodes, node, request.origin)
        return await pubsub_members.affiliations(tx, nodes.owner, node)

    listed = await nodes.server.store.read(work)
    if nodes.is_personal:
        listed = {nodes.address: "owner", **listed}
    inner = b"".join(_affiliation(jid, affiliation) for jid, affiliation in listed.items())
    return names.pubsub(element("affiliations", {"node": node}, inner), OWNER)


async def handle_affiliations_set(request: Request, child: etree._Element) -> bytes:
    """§8.9.2"""
    nodes, node = request.nodes, names.name_of(child)
    wanted = child.findall(f"{{{OWNER}}}affiliation")
    named = [jid.bare for jid in map(_jid, wanted) if jid is not None]
    if len(wanted) > MAX_CHANGES:
        raise StanzaError("policy-violation", "too many changes at once")
    if len(set(named)) != len(named):
        raise StanzaError("bad-request", "somebody is named twice")  # §8.9.2.4

    async def work(tx: Tx) -> _Outcome:
        await access.require_owner(tx, nodes, node, request.origin)
        outcome = _Outcome([], {}, [])
        for each in wanted:
            await _change_affiliation(tx, nodes, node, each, outcome)
        return outcome

    outcome = await nodes.server.store.write(work)

    async def tell() -> None:
        await _tell_affiliations(nodes, node, outcome)

    if outcome.refused:
        await tell()
        raise _not_acceptable("affiliations", node, outcome.refused)
    request.after.append(tell)
    return b""


async def _change_affiliation(
    tx: Tx, nodes: Nodes, node: str, wanted: etree._Element, outcome: _Outcome
) -> None:
    jid, affiliation = _jid(wanted), wanted.get("affiliation")
    if affiliation is None:
        return  # §8.9.2.1
    before = "none"
    if jid is not None:
        found = await access.standing(tx, nodes, node, jid.bare)
        before = found.affiliation if found is not None else "none"
    if affiliation == before == "owner":
        return
    if jid is None or not await _is_possible(tx, nodes, node, before, affiliation):
        outcome.refused.append(_affiliation(wanted.get("jid") or "", before))
        return
    await pubsub_members.set_affiliation(tx, nodes.owner, node, jid.bare, affiliation)
    outcome.affiliations[jid.bare] = affiliation
    for each in await pubsub_members.subscriptions_of(tx, nodes.owner, jid.bare, clock.now(), node):
        # §8.7.4: who is trusted waits no more; who is banned gets nothing any more.
        is_allowed = affiliation in _TRUSTED
        if affiliation == "outcast" or (each.state == "pending" and is_allowed):
            outcome.changed.append(await approval.settle(tx, each, is_allowed=is_allowed))


async def _is_possible(tx: Tx, nodes: Nodes, node: str, before: str, affiliation: str) -> bool:
    """A node keeps an owner (§8.9.2.4); an account has one only, its person."""
    if affiliation not in AFFILIATIONS or (nodes.is_personal and "owner" in (before, affiliation)):
        return False
    return before != "owner" or len(await access.owners(tx, nodes, node)) > 1


async def _tell_affiliations(nodes: Nodes, node: str, outcome: _Outcome) -> None:
    """§8.9.4"""
    for jid, affiliation in outcome.affiliations.items():
        data = element("affiliation", {"node": node, "jid": jid, "affiliation": affiliation})
        inner = element("affiliations", {"node": node}, data)
        inner = element("pubsub", {"xmlns": names.NAMESPACE}, inner)
        config = SERVICE_DEFAULTS
        await notifications.send_message(nodes.server, nodes.address, jid, inner, config.notification_type)
    for each in outcome.changed:
        await approval.tell_subscriber(nodes, each)


def _affiliation(jid: str, affiliation: str) -> bytes:
    return element("affiliation", {"jid": jid, "affiliation": affiliation})


def _jid(wanted: etree._Element) -> JID | None:
    try:
        return jids.parse(wanted.get("jid") or "")
    except DomainError:
        return None


def _not_acceptable(name: str, node: str, refused: list[bytes]) -> StanzaError:
    """§8.8.2.4, §8.9.2.4: the entries that stayed as they were."""
    inner = element(name, {"node": node}, b"".join(refused))
    failure = StanzaError("not-acceptable")
    failure.beside = names.pubsub(inner, OWNER)
    return failure
