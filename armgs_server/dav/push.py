# SPDX-License-Identifier: Apache-2.0
"""WebDAV-Push (draft-bitfire-webdav-push): properties, registrations, and requests that wish for silence.

Calendars, address books and scheduling inboxes can be watched by whoever may read them. POST to a calendar
or an address book comes here from `methods.bulk`, by the root element. What is sent: `push_delivery`.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any

from armgs_server.dav.call import Call
from armgs_server.dav.engine import Engine
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Method, Property, Shape
from armgs_server.dav.names import element, text_element
from armgs_server.dav.push_messages import (
    REGISTER,
    parse_dont_notify,
    parse_register,
    parse_registration,
    push,
    registration_path,
    topic,
)
from armgs_server.dav.resources import CollectionResource, Place, Resource
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, parse_document
from armgs_server.directory.access import Rights
from armgs_server.directory.model import Principal
from armgs_server.errors import NotFound
from armgs_server.net.http import Request, Response
from armgs_server.storage import clock, web_push
from armgs_server.storage.tx import Tx, Work
from armgs_server.storage.web_push import Registration

SHAPES = Shape.CALENDAR | Shape.ADDRESSBOOK | Shape.INBOX
COMPLIANCE = "webdav-push"
TRANSPORTS = push("transports")
XML_TYPES = ("application/xml", "text/xml")
_DONT_NOTIFY = "push-dont-notify"


def is_available(engine: Engine, resource: Resource) -> bool:
    """Whether the resource can be watched by who asks."""
    return (
        engine.config.dav.push
        and resource.shape in SHAPES
        and isinstance(resource, CollectionResource)
        and Rights.READ in resource.rights
    )


async def _prepare_transports(view: View, resources: Sequence[Resource]) -> None:
    if any(is_available(view.engine, each) for each in resources):
        view.cache[TRANSPORTS] = await view.engine.push_key.public()


def _transports(view: View, resource: CollectionResource) -> str | None:
    if not is_available(view.engine, resource):
        return None
    key = f'<x:vapid-public-key type="p256ecdsa">{view.cache[TRANSPORTS]}</x:vapid-public-key>'
    return element(TRANSPORTS, f"<x:web-push>{key}</x:web-push>")


def _topic(view: View, resource: CollectionResource) -> str | None:
    if not is_available(view.engine, resource):
        return None
    return text_element(push("topic"), topic(resource.collection.owner, resource.collection.id))


def _triggers(view: View, resource: CollectionResource) -> str | None:
    if not is_available(view.engine, resource):
        return None
    return element(
        push("supported-triggers"),
        "<x:content-update><D:depth>1</D:depth></x:content-update>"
        "<x:property-update><D:depth>0</D:depth></x:property-update>",
    )


async def handle_post(call: Call) -> Response:
    """POST to a resource that takes nothing else."""
    kind = (call.header("content-type") or "").partition(";")[0].strip().lower()
    if kind not in XML_TYPES:
        raise DavError(415, "XML expected.")
    root = parse_document(await call.body())
    if root.tag != REGISTER:
        raise DavError(400, "push-register expected.")
    return await register(call, call.require(call.resource, Rights.READ), root)


async def register(call: Call, parent: CollectionResource, root: Element) -> Response:
    """204 with the registration's URL and when it is over; the same again where it was there already."""
    settings, now = call.engine.config.dav, clock.now()
    if not is_available(call.engine, parent):
        raise DavError(403, condition=push("push-not-available"))
    wanted = parse_register(root, plain=settings.push_plain)
    longest = now + settings.push_days * clock.DAY
    asked = longest if wanted.expires is None else round(wanted.expires * clock.SECOND)
    if asked <= now:
        raise DavError(403, "It has expired already.", condition=push("invalid-subscription"))
    collection = parent.collection
    registration = Registration(
        owner=collection.owner,
        id=secrets.token_urlsafe(16),
        collection=collection.id,
        person=call.person.id,
        endpoint=wanted.endpoint,
        public_key=wanted.public_key,
        auth_secret=wanted.auth_secret,
        content=wanted.content,
        properties=int(wanted.properties),
        expires=min(asked, longest),
    )
    most = settings.push_registrations
    present = await call.engine.store.write(lambda tx: web_push.register(tx, registration, most))
    path = registration_path(present.owner, present.id)
    scheme = "https" if call.request.is_tls else "http"
    host = call.header("host") or call.engine.config.server.hostname
    return Response(
        204,
        [
            *call.headers,
            ("Location", f"{scheme}://{host}{path}"),
            ("Expires", formatdate(present.expires / clock.SECOND, usegmt=True)),
        ],
    )


async def handle_registration(engine: Engine, request: Request, person: Principal) -> Response:
    """DELETE of a registration URL, by who made it; for others there is none."""
    key = parse_registration(request.path)
    if key is None:
        raise NotFound()
    if request.method != "DELETE":
        return Response(405, [("Allow", "DELETE")])
    now = clock.now()
    if not await engine.store.write(lambda tx: web_push.remove(tx, *key, person.id, now)):
        raise NotFound()
    return Response(204)


def engine_of(engine: Engine, request: Request, person: Principal, place: Place | None) -> Engine:
    """The engine for a request: with Push-Dont-Notify one whose writes count as told to who is named.

    Who is owed a message for an earlier change still gets it.
    """
    if request.header(_DONT_NOTIFY) is None:
        return engine
    name = _DONT_NOTIFY.encode()
    named = parse_dont_notify(value.decode("latin-1") for each, value in request.headers if each == name)
    ids = None if named is None else {id_ for _, id_ in named}
    owners = {person.id, place.owner if place else person.id, *(owner for owner, _ in named or ())}
    if ids is not None and not ids:
        return engine

    def silently(work: Work[Any]) -> Work[Any]:
        async def whole(tx: Tx) -> Any:
            silent = await web_push.up_to_date(tx, owners, person.id, ids)
            result = await work(tx)
            await web_push.keep_silent(tx, silent)
            return result

        return whole

    quiet = copy.copy(engine)
    quiet.store = engine.store.around(silently)
    return quiet


FEATURE = Feature(
    methods=(Method("POST", Shape.INBOX, handle_post),),
    properties=(
        Property(TRANSPORTS, SHAPES, _transports, prepare=_prepare_transports),
        Property(push("topic"), SHAPES, _topic),
        Property(push("supported-triggers"), SHAPES, _triggers),
    ),
)
