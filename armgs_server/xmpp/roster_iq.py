# SPDX-License-Identifier: Apache-2.0
"""IQs on the roster: RFC 6121 §2.1-§2.6, with roster versions."""

from __future__ import annotations

from dataclasses import replace

from armgs_server.storage import roster as storage
from armgs_server.storage.roster import RosterItem
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.iq import ACCOUNT, CONTACT, SERVER, Query, Route
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.numbers import whole
from armgs_server.xmpp.roster import MAX_CONTACTS, NAMESPACE, Roster, load_own, push, push_item, serialise
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.subscriptions import remove_contact

FEATURES = (NAMESPACE,)
SESSION = "urn:ietf:params:xml:ns:xmpp-session"
STREAM_FEATURES = b"<ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/>"
MAX_NAME = 1023  # RFC 6121 §2.3.3 lets the server limit names and group names
MAX_GROUPS = 32


async def handle_get(query: Query) -> bytes:
    """RFC 6121 §2.1.3; with `ver` an empty result, to be followed by pushes, where that is less."""
    session = query.session
    session.has_roster = True
    known = query.payload.get("ver") if b"ver" in query.stanza.raw else None  # mostly no tree is needed
    roster = await load_own(query.server, session.account)
    if known is not None and await _push_changes(query, known, roster):
        return b""
    own = session.account.bare
    items = [data for jid, data in roster.colleagues.data.items() if jid != own and jid not in roster.stored]
    items += [serialise(item) for item in roster.stored.values() if item.is_listed]
    version = roster.version if known is not None else ""
    return element("query", {"xmlns": NAMESPACE, "ver": version}, b"".join(items))


async def handle_set(query: Query) -> bytes:
    """RFC 6121 §2.1.5: add, change or remove one contact."""
    if query.to.bare != query.session.account.bare:
        raise StanzaError("forbidden")  # RFC 6121 §2.1.5
    children = list(query.payload)
    if len(children) != 1 or children[0].tag != f"{{{NAMESPACE}}}item":
        raise StanzaError("bad-request", "one item at a time")
    child = children[0]
    jid = parse(child.get("jid") or "").bare
    if child.get("subscription") == "remove":
        await remove_contact(query.server, query.session.account, jid)
        return b""
    groups = tuple(each.text or "" for each in child if each.tag == f"{{{NAMESPACE}}}group")
    name = child.get("name") or ""
    # RFC 6121 §2.3.3: the errors a set can get.
    if len(set(groups)) < len(groups):
        raise StanzaError("bad-request", "a group is there twice")
    if len(groups) > MAX_GROUPS or any(not group or len(group) > MAX_NAME for group in groups):
        raise StanzaError("not-acceptable", "a group's name is empty or too long")
    if len(name) > MAX_NAME:
        raise StanzaError("not-acceptable", "the name is too long")
    owner = query.owner

    async def work(tx: Tx) -> None:
        item = await storage.get(tx, owner, jid)
        if item is None and await storage.count(tx, owner) >= MAX_CONTACTS:
            raise StanzaError("resource-constraint", "too many contacts")
        item = item or RosterItem(jid)
        subscription = item.subscription or "none"
        await storage.put(tx, owner, replace(item, name=name, groups=groups, subscription=subscription))

    await query.server.store.write(work)
    await push(query.server, query.session.account.bare, jid)
    return b""


async def _push_changes(query: Query, known: str, roster: Roster) -> bool:
    """RFC 6121 §2.6.2: pushes what changed since the version; False where the whole roster is needed."""
    known_modseq, _, known_digest = known.partition(".")
    since, owner = whole(known_modseq), query.owner
    modseq, _, digest = roster.version.partition(".")
    if known == roster.version:
        return True
    if known_digest != digest or since is None:
        return False
    if since > int(modseq):
        return False  # a version of another store
    changed = await query.server.store.read(lambda tx: storage.changed_since(tx, owner, since))
    # The result goes first: it is written when this coroutine has ended, the pushes right behind it.
    after = [roster.get(item.jid) or replace(item, subscription="remove") for item in changed]

    def push_changes() -> None:
        for item in after:
            push_item(query.session, item, roster.version_of(item))

    query.after(push_changes)
    return True


async def handle_session(query: Query) -> bytes:
    """RFC 6121 §1.4: the session request of older clients does nothing any more."""
    return b""


ROUTES = (
    Route("set", SESSION, "session", ACCOUNT | SERVER, handle_session),
    Route("get", NAMESPACE, "query", ACCOUNT, handle_get),
    Route("set", NAMESPACE, "query", ACCOUNT | CONTACT, handle_set),
)
