# SPDX-License-Identifier: Apache-2.0
"""The roster: RFC 6121 §2, merged from what the person keeps and what the directory knows.

Colleagues of one unit, and the heads, see each other without asking: those contacts are computed from the
directory at each reading and never stored. The person may rename and group them; that is stored, and
laid over. A version is `MODSEQ.DIGEST`: the modseq of the stored part, and a digest of the computed one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from armgs_server.directory import Principal
from armgs_server.storage import roster as storage
from armgs_server.storage.roster import RosterItem
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import frame
from armgs_server.xmpp.account import Account, Contacts
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import element, text_element

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

NAMESPACE = "jabber:iq:roster"
MAX_CONTACTS = 5000


@dataclass(frozen=True, slots=True)
class Colleagues:
    """What the directory contributes, the same object for everybody of one unit (so they are in it too)."""

    source: tuple[list[Principal], list[Principal]]  # the directory's own lists: others when they changed
    items: dict[str, RosterItem]
    data: dict[str, bytes]  # the same, serialised
    mutual: frozenset[str]
    watched: frozenset[str]
    digest: str


@dataclass(frozen=True, slots=True)
class Roster:
    """Everything a person sees: own rows laid over what the directory says."""

    colleagues: Colleagues
    stored: dict[str, RosterItem]
    version: str

    def get(self, jid: str) -> RosterItem | None:
        return self.stored.get(jid) or self.colleagues.items.get(jid)

    def version_of(self, item: RosterItem) -> str:
        """§2.6.3: the one that the item's change made; a client that hears no more begins again from it."""
        return f"{item.modseq}.{self.colleagues.digest}" if item.modseq else self.version


# Reading


async def load(server: Server, principal: Principal) -> Roster:
    """The person's roster, stored and computed parts merged."""
    roster, _ = await _load(server, principal)
    return roster


async def load_own(server: Server, account: Account) -> Roster:
    """The roster of somebody who is here, at log-in mostly: `contacts` follow from the same rows."""
    generation = account.generation
    roster, stored = await _load(server, account.principal)
    if account.contacts is None or account.contacts.source is not roster.colleagues:
        found = await _contacts_of(server, account, roster.colleagues, stored)
        if generation == account.generation:
            account.contacts = found
    return roster


async def _load(server: Server, principal: Principal) -> tuple[Roster, list[RosterItem]]:
    colleagues = await colleagues_of(server, principal)

    async def work(tx: Tx) -> tuple[int, list[RosterItem]]:
        return await storage.version(tx, principal.id), await storage.load(tx, principal.id)

    modseq, stored = await server.store.read(work)
    merged = {item.jid: merge(item, colleagues.items.get(item.jid)) for item in stored}
    return Roster(colleagues, merged, f"{modseq}.{colleagues.digest}"), stored


async def colleagues_of(server: Server, principal: Principal) -> Colleagues:
    """Contacts that follow from the directory; the person is among them."""
    directory = server.directory
    source = (await directory.unit_people(principal), await directory.heads(principal.department))
    key = (principal.department, principal.units, principal.head)
    known = server.colleagues.get(key)
    if known is not None and known.source[0] is source[0] and known.source[1] is source[1]:
        return known
    names = {unit.id: unit.name for unit in await directory.units(principal.department)}
    department = await directory.by_id(principal.department)
    names[0] = department.name if department is not None else ""
    items = {}
    units = frozenset(principal.units)
    for colleague in (*source[0], *source[1]):
        if colleague.disabled or colleague.address in items:
            continue
        is_near = colleague.department == principal.department and not units.isdisjoint(colleague.units)
        shared = next((unit for unit in principal.units if unit in colleague.units), colleague.unit)
        group = names.get(shared, "")
        items[colleague.address] = RosterItem(
            colleague.address,
            name=colleague.name,
            # A head is seen by everybody of the department, and sees the unit and the other heads.
            subscription="both" if is_near or principal.head else "to",
            groups=(group,) if group else (),
        )
    data = {jid: serialise(item) for jid, item in items.items()}
    digest = hashlib.sha256(b"".join(data.values())).hexdigest()[:16]
    mutual = frozenset(jid for jid, item in items.items() if item.subscription == "both")
    watched = frozenset(items)
    found = Colleagues(source, items, data, mutual if mutual != watched else watched, watched, digest)
    server.colleagues[key] = found
    return found


def merge(stored: RosterItem, computed: RosterItem | None) -> RosterItem:
    """One contact as the person sees it."""
    if computed is None or stored.subscription == "remove":
        return computed or stored
    both = {stored.subscription, computed.subscription}
    is_mutual = "both" in both or {"to", "from"} <= both
    return replace(
        stored,
        name=stored.name or computed.name,
        groups=stored.groups or computed.groups,
        subscription="both" if is_mutual else computed.subscription,
        ask=False,
    )


async def contacts(server: Server, account: Account) -> Contacts:
    """Who sees whom, from the account's memory where it is still good; the person may be among them."""
    colleagues = await colleagues_of(server, account.principal)
    if account.contacts is None or account.contacts.source is not colleagues:
        owner, generation = account.owner, account.generation
        stored = await server.store.read(lambda tx: storage.load(tx, owner))
        found = await _contacts_of(server, account, colleagues, stored)
        if generation != account.generation:
            return found
        account.contacts = found
    return account.contacts


async def _contacts_of(
    server: Server, account: Account, colleagues: Colleagues, stored: list[RosterItem]
) -> Contacts:
    subscribers = {item.jid for item in stored if item.subscription in ("from", "both")}
    watched = {item.jid for item in stored if item.subscription in ("to", "both")}
    if account.principal.head:
        people = await server.directory.people(account.principal.department)
        subscribers.update(person.address for person in people)
    return Contacts(
        # The shared sets where nothing of one's own comes to them: most people have only colleagues.
        colleagues.mutual | subscribers if subscribers - colleagues.mutual else colleagues.mutual,
        colleagues.watched | watched if watched - colleagues.watched else colleagues.watched,
        tuple(item.pending for item in stored if item.pending is not None),
        colleagues,
    )


async def sees(server: Server, owner: Principal, jid: str) -> bool:
    """Whether that bare JID may see the owner's presence."""
    if jid == owner.address:
        return True
    item = await server.store.read(lambda tx: storage.get(tx, owner.id, jid))
    if item is not None and item.subscription in ("from", "both"):
        return True
    other = await server.person(parse(jid))
    if other is None:
        return False
    return any(colleague.id == owner.id for colleague in await server.directory.roster_of(other))


# Writing


async def keep(tx: Tx, owner: int, before: RosterItem, after: RosterItem) -> bool:
    """Stores a changed contact; whether clients must hear of it (RFC 6121 §2.1.6)."""
    if after == before:
        return False
    if after.is_empty:
        await storage.forget(tx, owner, after.jid)
    else:
        await storage.put(tx, owner, after)
    return after.is_listed and (before.subscription, before.ask, before.approved) != (
        after.subscription,
        after.ask,
        after.approved,
    )


async def push(server: Server, bare: str, jid: str) -> None:
    """RFC 6121 §2.1.6: tells each interested resource of a person how a contact stands now."""
    account = server.accounts.get(bare)
    if account is not None:
        await push_here(server, account, jid)
    server.announce(bare, frame.ROSTER, b"", argument=jid)


async def push_here(server: Server, account: Account, jid: str) -> None:
    """The same, for those of this process."""
    account.forget_contacts()
    interested = list(account.interested())
    if interested:
        roster = await load(server, account.principal)
        item = roster.get(jid) or await _removed(server, account.owner, jid)
        for session in interested:
            push_item(session, item, roster.version_of(item))


async def _removed(server: Server, owner: int, jid: str) -> RosterItem:
    """A contact that is in the roster no more, with the version in which it went, where that is known."""
    modseq = await server.store.read(lambda tx: storage.last_change(tx, owner, jid))
    return RosterItem(jid, subscription="remove", modseq=modseq)


def push_item(session: Session, item: RosterItem, version: str) -> None:
    if not item.is_listed:
        item = RosterItem(item.jid, subscription="remove", modseq=item.modseq)
    inner = element("query", {"xmlns": NAMESPACE, "ver": version}, serialise(item))
    attributes = {"type": "set", "id": f"push-{item.modseq}", "to": session.jid.full}
    session.send(element("iq", attributes, inner))


def serialise(item: RosterItem) -> bytes:
    """RFC 6121 §2.1.2: one `<item/>`."""
    groups = b"".join(text_element("group", group) for group in item.groups)
    attributes = {
        "jid": item.jid,
        "name": item.name,
        "subscription": item.subscription,
        "ask": "subscribe" if item.ask else "",
        "approved": "true" if item.approved else "",
    }
    return element("item", attributes, groups if item.subscription != "remove" else b"")
