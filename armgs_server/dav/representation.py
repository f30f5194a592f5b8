# SPDX-License-Identifier: Apache-2.0
"""What a write answers: a status and the entity tag, or what is there now (RFC 7240 §4.2, RFC 8144 §3).

A client that prefers return=representation spares itself the GET after its PUT; after a 412 it gets what
stood in its way.
"""

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.methods.get import SAFETY
from armgs_server.dav.properties import http_date
from armgs_server.dav.resources import CollectionResource, MemberResource, member
from armgs_server.directory.access import Rights
from armgs_server.net.http import Response
from armgs_server.storage.items import Item


def is_preferred(call: Call) -> bool:
    """Whether the client asks for the representation."""
    return call.preferences.get("return") == "representation"


async def written(call: Call, parent: CollectionResource, item: Item, *, created: bool) -> Response:
    """The answer to a write of a member."""
    if not is_preferred(call) or Rights.READ not in parent.rights:
        return Response(201 if created else 204, [("ETag", item.etag)])
    return await _show(call, member(parent, item), 201 if created else 200)


async def refused(call: Call, error: DavError) -> Response:
    """The answer to a write whose condition does not hold (RFC 8144 §3.2); raises any other refusal."""
    resource = call.resource
    if error.status != 412 or not is_preferred(call) or not isinstance(resource, MemberResource):
        raise error
    now = await call.engine.locate(call.person, call.path.segments)
    if not isinstance(now, MemberResource) or Rights.READ not in now.parent.rights:
        raise error
    return await _show(call, now, 412)


async def _show(call: Call, resource: MemberResource, status: int) -> Response:
    item = resource.item
    fields = [
        ("ETag", item.etag),
        ("Last-Modified", http_date(item.modified)),
        ("Content-Type", item.content_type or resource.parent.kind.content_type),
        ("Content-Location", resource.href),
        ("Preference-Applied", "return=representation"),
        ("Vary", "Prefer"),
        *SAFETY,
    ]
    blobs = call.engine.store.blobs
    if item.size <= call.engine.config.store.inline_limit:
        return Response(status, fields, await blobs.read(item.blob))
    return Response(status, fields, blobs.stream(item.blob, 0, item.size), length=item.size)
