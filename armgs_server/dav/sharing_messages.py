# SPDX-License-Identifier: Apache-2.0
"""What caldav-sharing says of an invitation: the notifications, CS:user and CS:organizer. Pure."""

from __future__ import annotations

import uuid

from armgs_server.dav.caldav_properties import components_of
from armgs_server.dav.names import element, escape, href, text_element
from armgs_server.dav.notifications import Notification, cs
from armgs_server.dav.paths import quote
from armgs_server.dav.resources import principal_href
from armgs_server.dav.sharing_requests import status_element
from armgs_server.dav.sharing_state import Sharee
from armgs_server.directory.model import Principal
from armgs_server.storage.collections import Collection
from armgs_server.storage.shares import Share

INVITATIONS = uuid.UUID("5d0c4f0e-0c2b-5c39-8f5a-6a1b2f1b7e58")
HOMES = {"addressbook": "addressbooks"}  # of what is no calendar


def uid_of(share: Share) -> str:
    """CS:uid (§6.16): there is one invitation of a person to a collection, whatever becomes of it."""
    return str(uuid.uuid5(INVITATIONS, f"{share.owner}.{share.collection}.{share.sharee}"))


def href_of(address: str, collection: Collection, name: str = "") -> str:
    """Where a collection lies in the home of somebody."""
    home = HOMES.get(collection.kind, "calendars")
    return f"/dav/{home}/{quote(address)}/{quote(name or collection.name)}/"


def _shared_type(collection: Collection) -> str:
    return "addressbook" if collection.kind == "addressbook" else "calendar"


def invitation(
    owner: Principal, person: Principal, collection: Collection, share: Share, status: str
) -> Notification:
    """CS:invite-notification (§6.15)."""
    content = text_element(cs("uid"), uid_of(share)) + href(f"mailto:{escape(person.address)}") + status
    content += f"<CS:access><CS:{share.access}/></CS:access>{_host_url(owner, collection)}{organizer(owner)}"
    content += text_element(cs("summary"), share.summary or collection.name)
    if collection.kind != "addressbook":
        comps = "".join(f'<C:comp name="{name}"/>' for name in components_of(collection))
        content += f"<C:supported-calendar-component-set>{comps}</C:supported-calendar-component-set>"
    return Notification("invite-notification", _shared_type(collection), uid_of(share), content)


def _host_url(owner: Principal, collection: Collection) -> str:
    # COMPAT: without a slash at the end, as Calendar Server writes it.
    return element(cs("hosturl"), href(href_of(owner.address, collection).rstrip("/")))


def organizer(owner: Principal) -> str:
    """§6.18; the principal's URL is one of its calendar user addresses."""
    return element(cs("organizer"), href(principal_href(owner)) + text_element(cs("common-name"), owner.name))


def reply_to(
    person: Principal, owner: Principal, collection: Collection, share: Share, summary: str
) -> Notification:
    """CS:invite-reply (§6.22)."""
    content = href(f"mailto:{escape(person.address)}") + status_element(share.status)
    content += _host_url(owner, collection) + text_element(cs("in-reply-to"), uid_of(share))
    content += text_element(cs("summary"), summary) if summary else ""
    content += text_element(cs("common-name"), person.name)
    return Notification("invite-reply", _shared_type(collection), uid_of(share), content)


def user_element(sharee: Sharee) -> str:
    """CS:user (§6.5)."""
    content = href(f"mailto:{escape(sharee.principal.address)}")
    content += text_element(cs("common-name"), sharee.principal.name) + status_element(sharee.status)
    content += f"<CS:access><CS:{sharee.access}/></CS:access>"
    content += text_element(cs("summary"), sharee.summary) if sharee.summary else ""
    return element(cs("user"), content)
