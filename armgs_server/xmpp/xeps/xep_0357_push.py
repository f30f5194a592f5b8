# SPDX-License-Identifier: Apache-2.0
"""XEP-0357: Push Notifications: what is told to a push service, so that it wakes a device that is away.

A registration belongs to the session that asked for it. It is notified while that session has no stream:
it waits to be resumed (XEP-0198), or is gone; whether other devices of the person are there does not matter.
The process that has the session decides, so a message causes one notification for a device.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lxml import etree

from armgs_server.directory import Principal
from armgs_server.formats import xmltree
from armgs_server.storage import offline, push
from armgs_server.storage.push import Registration
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import frame as frames
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.frame import Frame
from armgs_server.xmpp.iq import ACCOUNT, Query, Route
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import STANZAS, Stanza, StanzaError, element, text_element
from armgs_server.xmpp.xeps import xep_0004_forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field

if TYPE_CHECKING:
    from armgs_server.xmpp.delivery import Delivery
    from armgs_server.xmpp.server import Server

NAMESPACE: Final = "urn:xmpp:push:0"
ACCOUNT_FEATURES: Final = (NAMESPACE,)
TOPIC: Final = "push"
_SUMMARY: Final = "urn:xmpp:push:summary"
_PUBSUB: Final = "http://jabber.org/protocol/pubsub"
_PUBLISH_OPTIONS: Final = "http://jabber.org/protocol/pubsub#publish-options"
_PRIORITY: Final = "tigase:push:priority:0"  # what prosody and Tigase say, too: ring now
_MAX_OPTIONS: Final = 4096
_MAX_NODE: Final = 1024
_MAX_BODY: Final = 1000  # characters
# §6.2: after these the service does not want it any more; any other failure may pass.
_FINAL: Final = frozenset(
    {"item-not-found", "gone", "forbidden", "not-allowed", "not-authorized", "not-acceptable", "bad-request"}
)
_SPOKEN: Final = frozenset(
    {
        "jabber:client body",
        "eu.siacs.conversations.axolotl encrypted",  # XEP-0384 0.3
        "urn:xmpp:omemo:2 encrypted",
        "urn:xmpp:openpgp:0 openpgp",
        "urn:xmpp:sfs:0 file-sharing",
        "jabber:x:conference x",
    }
)
_CALLS: Final = frozenset({"urn:xmpp:jingle-message:0 propose", "urn:xmpp:call-invites:0 invite"})


@dataclass(frozen=True, slots=True)
class Notice:
    """What there is to tell of a message; a call must ring at once."""

    sender: str
    body: str = ""
    is_call: bool = False


# Registering


async def handle_enable(query: Query) -> bytes:
    """§4"""
    server, owner, payload = query.server, query.owner, query.payload
    service = _service(payload)
    node = payload.get("node") or ""
    form = xep_0004_forms.find(payload)
    options = b"" if form is None else xmltree.serialise(form)
    if len(node) > _MAX_NODE or len(options) > _MAX_OPTIONS:
        raise StanzaError("resource-constraint", "too long")
    if form is not None and xep_0004_forms.values(form).get("FORM_TYPE") != (_PUBLISH_OPTIONS,):
        raise StanzaError("bad-request", "the form is for publish-options")
    registration = Registration(service, node, query.session.jid.resource, options)

    async def work(tx: Tx) -> None:
        others = [each for each in await push.of(tx, owner) if (each.service, each.node) != (service, node)]
        if len(others) >= server.config.xmpp.push_services:
            raise StanzaError("resource-constraint", "too many push services")
        await push.put(tx, owner, registration)
        server.pushes.changed(tx, owner)

    await server.store.write(work)
    return b""


async def handle_disable(query: Query) -> bytes:
    """§5: one node, or everything at that service."""
    await _remove(query.server, query.owner, _service(query.payload), query.payload.get("node"))
    return b""


async def _remove(server: Server, owner: int, service: str, node: str | None) -> None:
    async def work(tx: Tx) -> None:
        await push.remove(tx, owner, service, node)
        server.pushes.changed(tx, owner)

    await server.store.write(work)


def _service(payload: etree._Element) -> str:
    text = payload.get("jid")
    if not text:
        raise StanzaError("bad-request", "a push service has a jid")
    return jids.parse(text).full


# Notifying


async def notify(delivery: Delivery) -> bool:
    """A stage of the router: devices of the recipient that are away hear of the message."""
    recipient, server = delivery.recipient, delivery.server
    assert recipient is not None
    if await server.pushes.get(recipient.id):
        notice = notice_of(delivery.stanza, delivery.origin)
        is_own = delivery.sender is not None and delivery.sender.account.owner == recipient.id
        if notice is not None and not is_own:
            server.spawn(wake(server, recipient, notice))
    return False


def notice_of(stanza: Stanza, sender: JID) -> Notice | None:
    """What a message says to a person; None where it is for programs alone."""
    names = {mark[0] for mark in stanza.marks}
    is_call = not _CALLS.isdisjoint(names)
    if stanza.type not in ("chat", "normal", "groupchat") or not (is_call or not _SPOKEN.isdisjoint(names)):
        return None
    return Notice(sender.full, stanza.text("body")[:_MAX_BODY], is_call)


async def wake(server: Server, person: Principal, notice: Notice) -> None:
    """Notifies those services of the person whose sessions have no stream; for rooms, too."""
    registrations = await server.pushes.get(person.id)
    if not registrations:
        return
    account = server.accounts.get(person.address)
    rows = await server.processes.sessions_of([person.address]) if server.processes is not None else []
    elsewhere = {row.resource: row.process for row in rows}
    for registration in registrations:
        session = account.sessions.get(registration.resource) if account is not None else None
        if session is not None and session.stream is not None:
            continue
        process = elsewhere.get(registration.resource)
        if session is None and process is not None and server.processes is not None:
            to = f"{person.address}/{registration.resource}"
            data = _publish(server, person, registration, notice, 1)
            server.processes.post(process, frames.PUSH, to, data)
            continue
        count = await _count(server, person.id, session)
        _send(server, registration.service, _publish(server, person, registration, notice, count))


async def asleep(server: Server, session: Session) -> None:
    """A session has lost its stream: what its client has not acknowledged, it may never have seen."""
    account = session.account
    registrations = [
        each for each in await server.pushes.get(account.owner) if each.resource == session.jid.resource
    ]
    if not registrations or session.sm is None or session.stream is not None:
        return
    messages = [parse_stanza(data) for data in session.sm.queue if data.startswith(b"<message")]
    notices = [notice_of(message, jids.parse(message.from_)) for message in messages]
    told = [notice for notice in notices if notice is not None]
    if told:
        notice = next((each for each in told if each.is_call), told[-1])
        for each in registrations:
            data = _publish(server, account.principal, each, notice, len(messages))
            _send(server, each.service, data)


def on_frame(server: Server, frame: Frame) -> None:
    """Another process has found that the session is here."""
    session = server.session(jids.parse(frame.to))
    if session is None or session.stream is None:
        _send(server, parse_stanza(frame.data).to, frame.data)


async def _count(server: Server, owner: int, session: Session | None) -> int:
    """How many messages wait for the device."""
    if session is not None and session.sm is not None:
        return max(1, sum(stanza.startswith(b"<message") for stanza in session.sm.queue))
    return max(1, await server.store.read(lambda tx: offline.count(tx, owner)))


def _publish(
    server: Server, person: Principal, registration: Registration, notice: Notice, count: int
) -> bytes:
    """§6: the request, with as much in it as the settings let out."""
    fields = []
    told = ("nothing", "count", "sender", "body").index(server.config.xmpp.push_summary)
    if told >= 1:
        fields.append(Field("message-count", values=(str(count),)))
    if told >= 2:
        fields.append(Field("last-message-sender", values=(notice.sender,)))
    if told >= 3 and notice.body:
        fields.append(Field("last-message-body", values=(notice.body,)))
    inner = xep_0004_forms.form(_SUMMARY, fields, type="submit") if fields else b""
    if notice.is_call:
        inner += text_element("priority", "high", {"xmlns": _PRIORITY})
    item = element("item", {}, element("notification", {"xmlns": NAMESPACE}, inner))
    request = element("publish", {"node": registration.node}, item)
    if registration.options:
        request += element("publish-options", {}, registration.options)
    attributes = {
        "type": "set",
        "id": f"push:{person.id}:{_digest(registration.node)}:{secrets.token_hex(4)}",
        "from": person.address.rpartition("@")[2],
        "to": registration.service,
    }
    return element("iq", attributes, element("pubsub", {"xmlns": _PUBSUB}, request))


def _send(server: Server, service: str, data: bytes) -> None:
    to = jids.parse(service)
    host = server.host_of(to.domain)
    if host is None:
        server.send(to, data)
        return
    stanza = parse_stanza(data)
    server.spawn(host.handle(stanza, jids.parse(stanza.from_)))


async def receive(server: Server, origin: JID, answer: Stanza) -> None:
    """§6.2: a service that refuses for good is not asked again; only it can say so."""
    kind, _, rest = answer.id.partition(":")
    if answer.type != "error" or kind != "push":
        return
    owner, _, rest = rest.partition(":")
    digest = rest.partition(":")[0]
    if not owner.isdecimal() or len(owner) > 18 or not (_conditions(answer) & _FINAL):
        return
    for registration in await server.pushes.get(int(owner)):
        if registration.service == origin.full and _digest(registration.node) == digest:
            await _remove(server, int(owner), registration.service, registration.node)


def _conditions(answer: Stanza) -> set[str]:
    return {child.tag.rpartition("}")[2] for child in answer.tree().iterfind(f"*/{{{STANZAS}}}*")}


def _digest(node: str) -> str:
    return hashlib.sha256(node.encode()).hexdigest()[:16]


ROUTES: Final = (
    Route("set", NAMESPACE, "enable", ACCOUNT, handle_enable),
    Route("set", NAMESPACE, "disable", ACCOUNT, handle_disable),
)
