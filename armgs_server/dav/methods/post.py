# SPDX-License-Identifier: Apache-2.0
"""POST to add a member (RFC 5995): a new one whose name the server chooses.

DAV:add-member is the collection's URL with the segment `;add-member`, as Calendar Server has it: POST to a
calendar or an address book itself is for many (`bulk`). A folder of files takes it at its own URL as well.
"""

import mimetypes
import uuid
from dataclasses import replace

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Method, Property, Shape
from armgs_server.dav.methods.put import handle_put
from armgs_server.dav.names import dav
from armgs_server.dav.paths import Path, quote
from armgs_server.dav.resources import CollectionResource, UnmappedResource
from armgs_server.dav.view import View
from armgs_server.net.http import Response

SHAPES = Shape.FILES | Shape.CALENDAR | Shape.ADDRESSBOOK
ADD_MEMBER = ";add-member"
# Where a type has several endings, the one that clients look for.
ENDINGS = {"text/calendar": ".ics", "text/vcard": ".vcf", "text/plain": ".txt", "image/jpeg": ".jpg"}


async def handle_post(call: Call) -> Response:
    """201 with the new member's URL in Location (§3.2.3)."""
    place = call.place
    assert place is not None
    if isinstance(call.resource, UnmappedResource):
        parent = call.resource.parent
        if call.resource.name != ADD_MEMBER or not isinstance(parent, CollectionResource):
            raise DavError(404)
        place = replace(place, names=place.names[:-1])
        call.path = Path(call.path.segments[:-1], slash=True)
    else:
        assert isinstance(call.resource, CollectionResource)
        parent = call.resource
    if parent.shape not in SHAPES:
        raise DavError(404)
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
    return f"<D:add-member><D:href>{resource.href}{quote(ADD_MEMBER)}</D:href></D:add-member>"


FEATURE = Feature(
    methods=(Method("POST", Shape.FILES | Shape.UNMAPPED, handle_post),),
    properties=(Property(dav("add-member"), SHAPES, _add_member),),
)
