# SPDX-License-Identifier: Apache-2.0
"""Notifications (caldav-sharing §4): XML messages of the server to a person's clients.

They lie in /dav/notifications/ADDRESS/; clients read and remove them, the server alone puts them there. The
name of one says what it is, so that a listing reads no content. One of the same name replaces the one before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from time import gmtime, strftime

from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Kind, Property, Put, Shape
from armgs_server.dav.names import CALENDARSERVER, DECLARATIONS, dav, element, href, text_element
from armgs_server.dav.paths import quote
from armgs_server.dav.resources import MemberResource, PrincipalResource
from armgs_server.dav.view import View
from armgs_server.storage import Store, clock, collections, items
from armgs_server.storage.clock import SECOND
from armgs_server.storage.tx import Tx

KIND = "notifications"
CONTENT_TYPE = "application/xml; charset=utf-8"
TYPES = ("invite-notification", "invite-reply")
_NAME = re.compile(rf"(calendar|addressbook)\.({'|'.join(TYPES)})\.[^.]*\.xml\Z")


def cs(local: str) -> str:
    """The name in Calendar Server's namespace."""
    return f"{{{CALENDARSERVER}}}{local}"


@dataclass(frozen=True, slots=True)
class Notification:
    """One message; `content` is what stands inside the element of its type."""

    type: str
    shared_type: str  # calendar or addressbook
    uid: str
    content: str

    @property
    def name(self) -> str:
        """Its name in the collection."""
        return f"{self.shared_type}.{self.type}.{self.uid}.xml"

    def serialise(self) -> bytes:
        """§6.24."""
        stamp = strftime("%Y%m%dT%H%M%SZ", gmtime(clock.now() // SECOND))
        body = text_element(cs("dtstamp"), stamp)
        body += f'<CS:{self.type} shared-type="{self.shared_type}">{self.content}</CS:{self.type}>'
        text = f'<?xml version="1.0" encoding="utf-8"?>\n<CS:notification {DECLARATIONS}>{body}'
        return f"{text}</CS:notification>\n".encode()


async def notify(tx: Tx, store: Store, person: int, notification: Notification, limit: int) -> None:
    """Leaves a message for a person; above the limit the oldest one goes. Who has no account gets none."""
    collection = await collections.by_role(tx, person, KIND, "default")
    if collection is None:
        return
    ref = store.blobs.small(notification.serialise())
    present = await items.by_name(tx, person, collection.id, notification.name)
    if present is not None:
        await items.replace(tx, present, ref, CONTENT_TYPE)
        return
    if collection.items >= limit:
        oldest = await items.scan(tx, person, collection.id, limit=collection.items - limit + 1)
        await items.remove(tx, collection, [each.uid for each in oldest])
    await items.add(tx, collection, ref, name=notification.name, content_type=CONTENT_TYPE)


async def _refuse(put: Put) -> None:
    raise DavError(403, "The server alone puts notifications here.")


def _notification_url(view: View, resource: PrincipalResource) -> str | None:
    """§4.1.1."""
    principal = resource.principal
    if principal.kind != "person":
        return None
    return element(cs("notification-URL"), href(f"/dav/notifications/{quote(principal.address)}/"))


def _notification_type(view: View, resource: MemberResource) -> str | None:
    """§4.2.1: the element as it stands in the message, without content."""
    match = _NAME.match(resource.item.name or "")
    if match is None:
        return None
    return element(cs("notificationtype"), f'<CS:{match[2]} shared-type="{match[1]}"/>')


FEATURE = Feature(
    properties=(
        Property(cs("notification-URL"), Shape.PRINCIPAL, _notification_url),
        Property(cs("notificationtype"), Shape.NOTIFICATION, _notification_type, pure=True),
    ),
    kinds=(
        Kind(
            name=KIND,
            home=KIND,
            shape=Shape.NOTIFICATIONS,
            member=Shape.NOTIFICATION,
            types=(dav("collection"), cs("notification")),
            content_type=CONTENT_TYPE,
            size_limit=lambda config: config.dav.request_size,
            check=_refuse,
            provisioned=True,
        ),
    ),
)
