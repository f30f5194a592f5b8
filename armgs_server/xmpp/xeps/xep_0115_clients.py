# SPDX-License-Identifier: Apache-2.0
"""XEP-0115 of clients: which events a session wants (XEP-0163 §4.3.3), asked once for each kind of client.

What must always hold: what one client says is used for another only where the hash proves it (§8.1: cache
poisoning); for itself a client may say anything.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from lxml import etree

from armgs_server.errors import DomainError
from armgs_server.formats import xmltree
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import Stanza, element
from armgs_server.xmpp.xeps.xep_0115_caps import NAMESPACE, digest

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

_INFO = "http://jabber.org/protocol/disco#info"
_DATA = "jabber:x:data"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_SUFFIX = "+notify"
_MAX_INTERESTS = 100
_MAX_KNOWN = 2000  # kinds of clients remembered


async def look_at(server: Server, session: Session, presence: Stanza, *, asker: str = "") -> frozenset[str]:
    """Takes note of `<c/>` in a presence; the nodes that are newly wanted, if they are known already.

    A client elsewhere is asked in the name of `asker`.
    """
    child = presence.child("c", NAMESPACE)
    if child is None:
        return frozenset()
    raw = presence.raw[child.start : child.end]
    if session.caps == raw:
        return frozenset()
    session.caps = raw
    caps = xmltree.parse(raw)
    ver = caps.get("ver") or ""
    known = server.known_clients.get(ver)
    if known is not None:
        return _set_interests(session, known)
    session.caps_query = f"caps-{secrets.token_hex(6)}"
    node = f"{caps.get('node') or ''}#{ver}"
    attributes = {"type": "get", "id": session.caps_query}
    attributes |= {"from": asker or session.account.bare, "to": session.jid.full}
    session.send(element("iq", attributes, element("query", {"xmlns": _INFO, "node": node})))
    return frozenset()


def receive(server: Server, session: Session, answer: Stanza) -> frozenset[str]:
    """The client's answer to our question; the nodes that are newly wanted."""
    if not session.caps_query or answer.id != session.caps_query or answer.type != "result":
        return frozenset()
    session.caps_query = ""
    try:
        query = answer.payload()
        ver = xmltree.parse(session.caps).get("ver") or ""
    except DomainError:
        return frozenset()
    if query.tag != f"{{{_INFO}}}query":
        return frozenset()
    features = [feature.get("var") or "" for feature in query.iterfind(f"{{{_INFO}}}feature")]
    wanted = [feature.removesuffix(_SUFFIX) for feature in features if feature.endswith(_SUFFIX)]
    interests = frozenset(wanted[:_MAX_INTERESTS])
    if digest(_parts(query, features)) == ver and len(server.known_clients) < _MAX_KNOWN:
        server.known_clients[ver] = interests
    return _set_interests(session, interests)


def _set_interests(session: Session, interests: frozenset[str]) -> frozenset[str]:
    new = interests - session.interests
    session.interests = interests
    return new


def _parts(query: etree._Element, features: list[str]) -> list[str]:
    """§5.1: identities, features and forms, each sorted, in the order in which they are hashed."""
    parts = sorted(
        "/".join(each.get(name) or "" for name in ("category", "type", _LANG, "name"))
        for each in query.iterfind(f"{{{_INFO}}}identity")
    )
    parts += sorted(features)
    forms = {}
    for form in query.iterfind(f"{{{_DATA}}}x"):
        fields = {
            field.get("var") or "": sorted(value.text or "" for value in field.iterfind(f"{{{_DATA}}}value"))
            for field in form.iterfind(f"{{{_DATA}}}field")
        }
        forms["".join(fields.pop("FORM_TYPE", [""])[:1])] = fields
    for form_type in sorted(forms):
        parts.append(form_type)
        for name in sorted(forms[form_type]):
            parts += [name, *forms[form_type][name]]
    return parts
