# SPDX-License-Identifier: Apache-2.0
"""XEP-0054: a person's vcard-temp: the one that was set, or else as the directory knows the person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.directory import Principal
from armgs_server.storage import documents
from armgs_server.xmpp.stanza import element, text_element

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

NAMESPACE = "vcard-temp"
DOCUMENT = "vcard-temp"


async def card_of(server: Server, person: Principal) -> bytes:
    """The `<vCard/>`."""
    own = await server.store.read(lambda tx: documents.get(tx, person.id, DOCUMENT))
    return own if own is not None else await _from_directory(server, person)


async def _from_directory(server: Server, person: Principal) -> bytes:
    directory = server.directory
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
