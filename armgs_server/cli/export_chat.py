# SPDX-License-Identifier: Apache-2.0
"""XEP-0227: chat of one person in the portable format of XMPP servers: roster (§4.4), messages that wait
(§4.5), private XML (§4.6), vCard (§4.7), requests to subscribe (§4.9), personal events (§4.10), the archive
(§4.11) and, as an element of XEP-0191, who is blocked. The keys that prove the password (§4.2) only where
that is asked for: who has them can try passwords at leisure.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from armgs_server.cli.workplace import Workplace
from armgs_server.directory import Principal
from armgs_server.directory.passwords import SCRAM_SHA_1, SCRAM_SHA_256
from armgs_server.directory.scram import parse_keys
from armgs_server.formats.xmltree import escape, quote
from armgs_server.storage import archive, documents, offline, pubsub, pubsub_members, roster
from armgs_server.storage.archive import ArchivedMessage, ArchiveQuery
from armgs_server.storage.roster import RosterItem
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import CLIENT, element, text_element
from armgs_server.xmpp.xeps import xep_0060_config
from armgs_server.xmpp.xeps.xep_0160_offline import DELAY, delay

PAGE = 500
PUBSUB = "http://jabber.org/protocol/pubsub"
# The names under which XEP-0049 and XEP-0054 keep what a person has put away.
PRIVATE, VCARD, BLOCKLIST = "private ", "vcard-temp", "blocklist"
_MECHANISMS = {SCRAM_SHA_1: "SCRAM-SHA-1", SCRAM_SHA_256: "SCRAM-SHA-256"}


async def write(workplace: Workplace, person: Principal, file: Path, *, credentials: bool = False) -> int:
    """Writes the file; the number of archived messages in it."""
    local, _, domain = person.address.rpartition("@")
    contacts = await workplace.store.read(lambda tx: roster.load(tx, person.id))
    waiting = await workplace.store.read(lambda tx: _waiting(tx, person.id))
    own = await workplace.store.read(lambda tx: _own(tx, person.id))
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as target:
        target.write(b"<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='urn:xmpp:pie:0'>\n")
        target.write(f"<host jid='{quote(domain)}'>\n<user name='{quote(local)}'>\n".encode())
        if credentials:
            target.write(await workplace.store.read(lambda tx: _scram(tx, person.id)))
        target.write("".join(_roster(contacts)).encode())
        target.write(own)
        target.writelines(contact.pending + b"\n" for contact in contacts if contact.pending)
        target.write(b"<offline-messages>\n")
        target.writelines(stanza + b"\n" for stanza in waiting)
        target.write(b"</offline-messages>\n<archive xmlns='urn:xmpp:pie:0#mam'>\n")
        count = 0
        query: ArchiveQuery | None = ArchiveQuery(limit=PAGE)
        while query is not None:
            page = await workplace.store.read(lambda tx, asked=query: archive.page(tx, person.id, asked))  # type: ignore[misc]
            target.writelines(_result(message) for message in page.messages)
            count += len(page.messages)
            query = None if page.complete else ArchiveQuery(after=page.messages[-1].id, limit=PAGE)
        target.write(b"</archive>\n</user>\n</host>\n</server-data>\n")
    return count


async def _scram(tx: Tx, owner: int) -> bytes:
    """§4.2"""
    written = b""
    rows = await tx.rows("SELECT kind, value FROM credential WHERE principal = ? ORDER BY kind", owner)
    for kind, value in rows:
        if kind not in _MECHANISMS:
            continue
        keys = parse_keys(value)
        inner = text_element("iter-count", str(keys.iterations))
        for name, part in (
            ("salt", keys.salt),
            ("server-key", keys.server_key),
            ("stored-key", keys.stored_key),
        ):
            inner += text_element(name, base64.b64encode(part).decode())
        attributes = {"xmlns": "urn:xmpp:pie:0#scram", "mechanism": _MECHANISMS[kind]}
        written += element("scram-credentials", attributes, inner) + b"\n"
    return written


def _roster(contacts: list[RosterItem]) -> Iterator[str]:
    yield "<query xmlns='jabber:iq:roster'>\n"
    for contact in contacts:
        if not contact.is_listed:
            continue
        ask = " ask='subscribe'" if contact.ask else ""
        approved = " approved='true'" if contact.approved else ""
        groups = "".join(f"<group>{escape(group)}</group>" for group in contact.groups)
        yield (
            f"<item jid='{quote(contact.jid)}' name='{quote(contact.name)}'"
            f" subscription='{quote(contact.subscription)}'{ask}{approved}>{groups}</item>\n"
        )
    yield "</query>\n"


def _result(message: ArchivedMessage) -> bytes:
    stamp = datetime.fromtimestamp(message.sent / 1_000_000, UTC).isoformat(timespec="milliseconds")
    return (
        f"<result xmlns='urn:xmpp:mam:2' id='{message.id}'><forwarded xmlns='urn:xmpp:forward:0'>"
        f"<delay xmlns='urn:xmpp:delay' stamp='{stamp.replace('+00:00', 'Z')}'/>"
    ).encode() + b"%b</forwarded></result>\n" % message.stanza


async def _own(tx: Tx, owner: int) -> bytes:
    """What the person has published or put away: private XML, vCard, personal events."""
    kept = b"".join([await _document(tx, owner, name) for name in await documents.names(tx, owner, PRIVATE)])
    written = element("query", {"xmlns": "jabber:iq:private"}, kept) + b"\n" if kept else b""
    written += await _document(tx, owner, VCARD)
    blocked = await documents.get(tx, owner, BLOCKLIST)
    if blocked:
        jids = b"".join(element("item", {"jid": jid}) for jid in blocked.decode().split("\n"))
        written += element("blocklist", {"xmlns": "urn:xmpp:blocking"}, jids) + b"\n"
    configured = published = b""
    for node, config in (await pubsub.nodes(tx, owner)).items():
        form = xep_0060_config.serialise(xep_0060_config.from_data(config), "submit")
        configured += element("configure", {"node": node}, form)
        standings = b"".join(
            element("affiliation", {"jid": jid, "affiliation": each})
            for jid, each in (await pubsub_members.affiliations(tx, owner, node)).items()
        )
        if standings:
            configured += element("affiliations", {"node": node}, standings)
        items = await pubsub.items(tx, owner, node)
        published += element("items", {"node": node}, b"".join(item.payload for item in items))
    if configured:
        written += element("pubsub", {"xmlns": f"{PUBSUB}#owner"}, configured) + b"\n"
        written += element("pubsub", {"xmlns": PUBSUB}, published) + b"\n"
    return written


async def _document(tx: Tx, owner: int, name: str) -> bytes:
    value = await documents.get(tx, owner, name)
    return value + b"\n" if value else b""


async def _waiting(tx: Tx, owner: int) -> list[bytes]:
    """§4.5: each with the time it came (XEP-0203)."""
    written = []
    for message in await offline.waiting(tx, owner):
        stanza = parse_stanza(message.stanza)
        late = b"" if stanza.has("delay", DELAY) else delay("", message.sent)
        written.append(stanza.forward(stanza.from_, stanza.to, extra=late, xmlns=CLIENT))
    return written
