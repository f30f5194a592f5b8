# SPDX-License-Identifier: Apache-2.0
"""XEP-0227 §4.2-§4.10: what is kept of a person beside messages. Each part is one transaction, in which what
is there already stays.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from lxml import etree

from armgs_server.cli import import_chat_nodes, portable
from armgs_server.cli.workplace import Workplace
from armgs_server.directory import Principal
from armgs_server.directory.passwords import ARGON2, SCRAM_SHA_1, SCRAM_SHA_256
from armgs_server.directory.people import Credential, put_credentials
from armgs_server.directory.scram import Keys
from armgs_server.errors import Invalid
from armgs_server.storage import documents, roster
from armgs_server.storage.roster import RosterItem
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.roster import MAX_CONTACTS

_PRIVACY = "{jabber:iq:privacy}"
_ROSTER = "{jabber:iq:roster}"
_SCRAM = "{urn:xmpp:pie:0#scram}"
_BLOCKING = "{urn:xmpp:blocking}"
_BLOCKLIST = "blocklist"  # the document of XEP-0191
# Mechanism → the kind of credential, and the octets of its hash.
_MECHANISMS = {"SCRAM-SHA-1": (SCRAM_SHA_1, 20), "SCRAM-SHA-256": (SCRAM_SHA_256, 32)}
_MOST_ITERATIONS = 10_000_000


@dataclass(slots=True)
class Outcome:
    """What became of one part."""

    accepted: int = 0
    unchanged: int = 0
    refused: list[str] = field(default_factory=list)


Handler = Callable[[Workplace, Principal, etree._Element], Awaitable[Outcome]]


# §4.2


async def _scram(workplace: Workplace, person: Principal, element: etree._Element) -> Outcome:
    """Keys for who has no password here. They prove it to mail clients as well, until it is first used."""
    mechanism = element.get("mechanism") or ""
    if mechanism not in _MECHANISMS:
        raise Invalid(f"keys of {mechanism} are not used here")
    kind, size = _MECHANISMS[mechanism]
    keys = _keys(element, size).serialise()

    async def work(tx: Tx) -> bool:
        rows = await tx.rows("SELECT kind, value FROM credential WHERE principal = ?", person.id)
        known: dict[str, str] = dict(rows)
        if kind in known or not known.get(ARGON2, "scram").startswith("scram"):
            return False
        made = [Credential(kind, "", keys)]
        if ARGON2 not in known or kind == SCRAM_SHA_256:
            made.append(Credential(ARGON2, "", f"{kind}${keys}"))
        await put_credentials(tx, person.id, made)
        return True

    return _one(await workplace.store.write(work))


def _keys(element: etree._Element, size: int) -> Keys:
    try:
        iterations = int(element.findtext(f"{_SCRAM}iter-count") or "")
        salt, stored, server = (
            base64.b64decode(element.findtext(f"{_SCRAM}{name}") or "", validate=True)
            for name in ("salt", "stored-key", "server-key")
        )
    except (ValueError, binascii.Error) as error:
        raise Invalid("broken SCRAM keys") from error
    if not (0 < iterations <= _MOST_ITERATIONS and salt and len(stored) == len(server) == size):
        raise Invalid("broken SCRAM keys")
    return Keys(salt, iterations, stored, server)


# §4.4, §4.9


async def _contacts(workplace: Workplace, person: Principal, element: etree._Element) -> Outcome:
    outcome, items = Outcome(), []
    for item in element.iterfind(f"{_ROSTER}item"):
        try:
            items.append(_contact(item))
        except Invalid as error:
            outcome.refused.append(error.text)

    async def work(tx: Tx) -> int:
        known = {each.jid: each for each in await roster.load(tx, person.id)}
        added = 0
        for item in items:
            before = known.get(item.jid)
            if (before is not None and before.is_listed) or len(known) >= MAX_CONTACTS:
                continue
            if before is not None and before.pending is not None:
                item = RosterItem(
                    item.jid,
                    item.name,
                    item.subscription,
                    item.ask,
                    item.approved,
                    before.pending,
                    item.groups,
                )
            await roster.put(tx, person.id, item)
            known[item.jid] = item
            added += 1
        return added

    outcome.accepted = await workplace.store.write(work)
    outcome.unchanged = len(items) - outcome.accepted
    return outcome


def _contact(item: etree._Element) -> RosterItem:
    jid = parse(item.get("jid") or "").bare
    subscription = item.get("subscription") or "none"
    if subscription not in ("none", "to", "from", "both"):
        raise Invalid(f"{jid}: no subscription is called {subscription}")
    groups = tuple(dict.fromkeys(group.text or "" for group in item.iterfind(f"{_ROSTER}group")))
    return RosterItem(
        jid,
        name=item.get("name") or "",
        subscription=subscription,
        ask=item.get("ask") == "subscribe",
        approved=item.get("approved") in ("true", "1"),
        groups=tuple(group for group in groups if group),
    )


async def _request(workplace: Workplace, person: Principal, element: etree._Element) -> Outcome:
    """A request to subscribe that waits for an answer."""
    if element.get("type") != "subscribe":
        raise Invalid("a presence that asks for nothing")
    jid = parse(element.get("from") or "").bare
    data = portable.plain(element)

    async def work(tx: Tx) -> bool:
        before = await roster.get(tx, person.id, jid) or RosterItem(jid)
        if before.pending is not None or before.subscription in ("from", "both"):
            return False
        item = RosterItem(
            jid, before.name, before.subscription, before.ask, before.approved, data, before.groups
        )
        await roster.put(tx, person.id, item)
        return True

    return _one(await workplace.store.write(work))


# §4.6, §4.7


async def _vcard(workplace: Workplace, person: Principal, element: etree._Element) -> Outcome:
    return await _documents(workplace, person, {"vcard-temp": portable.plain(element)})


async def _private(workplace: Workplace, person: Principal, element: etree._Element) -> Outcome:
    found = {}
    for child in element:
        name = etree.QName(child)
        found[f"private {name.namespace} {name.localname}"] = portable.plain(child)
    return await _documents(workplace, person, found)


async def _documents(workplace: Workplace, person: Principal, values: dict[str, bytes]) -> Outcome:
    async def work(tx: Tx) -> int:
        added = 0
        for name, value in values.items():
            if await documents.get(tx, person.id, name) is None:
                await documents.put(tx, person.id, name, value)
                added += 1
        return added

    added = await workplace.store.write(work)
    return Outcome(added, len(values) - added)


# §4.8, XEP-0191


async def _privacy(workplace: Workplace, person: Principal, element: etree._Element) -> Outcome:
    """XEP-0191 §5: of privacy lists only what blocks a JID altogether is kept, of the default list."""
    default = element.find(f"{_PRIVACY}default")
    name = default.get("name") if default is not None else None
    jids = [
        item.get("value") or ""
        for found in element.iterfind(f"{_PRIVACY}list")
        if found.get("name") == name
        for item in found
        if (item.get("type"), item.get("action"), len(item)) == ("jid", "deny", 0)
    ]
    return await _block(workplace, person, jids)


async def _blocklist(workplace: Workplace, person: Principal, element: etree._Element) -> Outcome:
    return await _block(workplace, person, [item.get("jid") or "" for item in element])


async def _block(workplace: Workplace, person: Principal, jids: list[str]) -> Outcome:
    outcome, blocked = Outcome(), set()
    for text in jids:
        try:
            blocked.add(parse(text).full)
        except Invalid as error:
            outcome.refused.append(f"{text}: {error.text}")

    async def work(tx: Tx) -> int:
        value = await documents.get(tx, person.id, _BLOCKLIST)
        before = set(value.decode().split("\n")) if value else set()
        if not blocked <= before:
            both = "\n".join(sorted(before | blocked)).encode()
            await documents.put(tx, person.id, _BLOCKLIST, both)
        return len(blocked - before)

    outcome.accepted = await workplace.store.write(work)
    outcome.unchanged = len(blocked) - outcome.accepted
    return outcome


# §4.10


async def _nodes(workplace: Workplace, person: Principal, element: etree._Element) -> Outcome:
    return Outcome(*await import_chat_nodes.configure(workplace, person, element))


async def _items(workplace: Workplace, person: Principal, element: etree._Element) -> Outcome:
    return Outcome(*await import_chat_nodes.publish(workplace, person, element))


def _one(is_new: bool) -> Outcome:
    return Outcome(int(is_new), int(not is_new))


PARTS: dict[str, Handler] = {
    f"{_SCRAM}scram-credentials": _scram,
    f"{_ROSTER}query": _contacts,
    "{jabber:client}presence": _request,
    f"{{{portable.PIE}}}presence": _request,
    "{vcard-temp}vCard": _vcard,
    "{jabber:iq:private}query": _private,
    f"{_PRIVACY}query": _privacy,
    f"{_BLOCKING}blocklist": _blocklist,
    f"{import_chat_nodes.OWNER}pubsub": _nodes,
    f"{import_chat_nodes.PUBSUB}pubsub": _items,
}
