# SPDX-License-Identifier: Apache-2.0
"""XEP-0054: vcard-temp. Who has not made a card of their own is shown as the directory knows them."""

from __future__ import annotations

from armgs_server.directory import Principal
from armgs_server.formats import xmltree
from armgs_server.storage import documents
from armgs_server.xmpp import roster
from armgs_server.xmpp.iq import ACCOUNT, CONTACT, SERVER, Query, Route
from armgs_server.xmpp.stanza import StanzaError, element, text_element

NAMESPACE = "vcard-temp"
FEATURES = (NAMESPACE,)
ACCOUNT_FEATURES = (NAMESPACE,)
_DOCUMENT = "vcard-temp"


async def handle_get(query: Query) -> bytes:
    """§3.1 and §3.3: one's own card, or another's."""
    person = await query.server.person(query.to)
    if person is None:
        raise StanzaError("service-unavailable")
    asker = query.session
    if asker.is_outside and not await roster.sees(query.server, person, asker.account.bare):
        raise StanzaError("service-unavailable")  # the directory is not for everybody elsewhere
    owner = person.id
    own = await query.server.store.read(lambda tx: documents.get(tx, owner, _DOCUMENT))
    return own if own is not None else await _from_directory(query, person)


async def handle_server_get(query: Query) -> bytes:
    inner = text_element("FN", query.to.domain) + text_element("JABBERID", query.to.domain)
    return element("vCard", {"xmlns": NAMESPACE}, inner)


async def handle_set(query: Query) -> bytes:
    """§3.2."""
    value, owner = xmltree.serialise(query.payload), query.owner
    await query.server.store.write(lambda tx: documents.put(tx, owner, _DOCUMENT, value))
    return b""


async def _from_directory(query: Query, person: Principal) -> bytes:
    directory = query.server.directory
    department = await directory.by_id(person.department)
    unit = await directory.by_id(person.unit) if person.unit else None
    data = person.data
    name = text_element("FAMILY", str(data.get("family") or person.name))
    name += text_element("GIVEN", str(data.get("given") or ""))
    organisation = text_element("ORGNAME", department.name if department is not None else "")
    if unit is not None:
        organisation += text_element("ORGUNIT", unit.name)
    parts = [
        text_element("FN", person.name),
        element("N", {}, name),
        element("ORG", {}, organisation),
        element("EMAIL", {}, element("INTERNET") + text_element("USERID", person.address)),
        text_element("JABBERID", person.address),
    ]
    if person.post:
        parts.append(text_element("TITLE", person.post))
    for key, kind in (("telephone", "VOICE"), ("mobile", "CELL")):
        if data.get(key):
            parts.append(element("TEL", {}, element(kind) + text_element("NUMBER", str(data[key]))))
    return element("vCard", {"xmlns": NAMESPACE}, b"".join(parts))


ROUTES = (
    Route("get", NAMESPACE, "vCard", ACCOUNT | CONTACT, handle_get, outside=True),
    Route("get", NAMESPACE, "vCard", SERVER, handle_server_get, outside=True),
    Route("set", NAMESPACE, "vCard", ACCOUNT, handle_set),
)
