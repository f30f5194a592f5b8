# SPDX-License-Identifier: Apache-2.0
"""POST to a collection (RFC 5995): a new member whose name the server chooses.

DAV:add-member is the collection's own URL.
"""

import mimetypes
import uuid
from dataclasses import replace

from armgs_server.dav.call import Call
from armgs_server.dav.features import Feature, Method, Property, Shape
from armgs_server.dav.methods.put import handle_put
from armgs_server.dav.names import dav
from armgs_server.dav.paths import Path, quote
from armgs_server.dav.resources import CollectionResource, UnmappedResource
from armgs_server.dav.view import View
from armgs_server.net.http import Response

SHAPES = Shape.FILES | Shape.CALENDAR | Shape.ADDRESSBOOK
# Where a type has several endings, the one that clients look for.
ENDINGS = {"text/calendar": ".ics", "text/vcard": ".vcf", "text/plain": ".txt", "image/jpeg": ".jpg"}


async def handle_post(call: Call) -> Response:
    """201 with the new member's URL in Location (§3.2.3)."""
    parent, place = call.resource, call.place
    assert isinstance(parent, CollectionResource) and place is not None
    given = call.header("content-type") or parent.kind.content_type
    kind = given.partition(";")[0].strip().lower()
    name = f"{uuid.uuid4()}{ENDINGS.get(kind) or mimetypes.guess_extension(kind) or ''}"
    href = parent.href + quote(name)
    call.resource = UnmappedResource(Shape.UNMAPPED, href, parent, name)
    call.place = replace(place, names=(*place.names, name))
    call.path = Path((*call.path.segments, name), slash=False)
    response = await handle_put(call)
    response.headers.append(("Location", href))
    return response


def _add_member(view: View, resource: CollectionResource) -> str:
    return f"<D:add-member><D:href>{resource.href}</D:href></D:add-member>"


FEATURE = Feature(
    methods=(Method("POST", SHAPES, handle_post),),
    properties=(Property(dav("add-member"), SHAPES, _add_member),),
)
