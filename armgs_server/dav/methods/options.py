# SPDX-License-Identifier: Apache-2.0
"""OPTIONS (RFC 4918 §10.1): what a resource can do, computed from the tables."""

from armgs_server.dav import push
from armgs_server.dav.call import Call
from armgs_server.dav.engine import FILES
from armgs_server.dav.features import Method, Shape
from armgs_server.dav.methods.patch import ACCEPT_PATCH
from armgs_server.dav.methods.search import GRAMMARS
from armgs_server.net.http import Response


async def handle_options(call: Call) -> Response:
    """`DAV:` and `Allow`. MS-Author-Via: COMPAT, Microsoft Office takes WebDAV for read-only without it."""
    tables = call.engine.tables
    return Response(
        200,
        [
            ("DAV", ", ".join([*tables.compliance, *_push(call)])),
            ("Allow", tables.allow[call.resource.shape]),
            *([GRAMMARS] if call.resource.shape in Shape.FOLDER else []),  # RFC 5323 §3.3
            *([ACCEPT_PATCH] if call.resource.shape is Shape.FILE else []),
            *_resumable(call),
            ("MS-Author-Via", "DAV"),
            ("Accept-Ranges", "bytes"),
            ("Cache-Control", "no-cache"),
        ],
    )


def _push(call: Call) -> list[str]:
    """Named only where a push-register is taken (draft-bitfire-webdav-push §2)."""
    return [push.COMPLIANCE] if push.is_available(call.engine, call.resource) else []


def _resumable(call: Call) -> list[tuple[str, str]]:
    """draft-ietf-httpbis-resumable-upload-12 §4.1.4: where PUT can be resumed."""
    is_file = call.resource.shape is Shape.FILE or (
        call.resource.shape is Shape.UNMAPPED and call.path.segments[1] == FILES
    )
    settings = call.engine.config.dav
    return [("Upload-Limit", f"max-size={settings.file_size}")] if is_file and settings.upload_hours else []


METHOD = Method("OPTIONS", Shape.ANY | Shape.UNMAPPED, handle_options)
