# SPDX-License-Identifier: Apache-2.0
"""Log-in to DAV by an access token (RFC 6750): each part of the tree takes its own scope.

A request touches more than its own path: the Destination of a COPY, the scope of a SEARCH, the hrefs of a
report, what lies below at infinite depth. So the token's scope counts while a request is answered, and the
engine asks here whenever it looks for a resource.
"""

from contextvars import ContextVar
from typing import Final

from armgs_server.dav.errors import DavError
from armgs_server.dav.paths import parse_target
from armgs_server.directory import scopes
from armgs_server.directory.model import Principal
from armgs_server.directory.oauth import OAuth
from armgs_server.directory.oauth_model import Bearing
from armgs_server.errors import Denied
from armgs_server.net.http import Request
from armgs_server.net.http.basic import bearer_challenge

# The second segment of a path, and what of directory.scopes.SERVICES it is; elsewhere any of them will do.
_TREES: Final = {
    "files": "files",
    "calendars": "calendars",
    "attachments": "calendars",
    "addressbooks": "contacts",
}
_ANY: Final = "dav"
_scope: ContextVar[str | None] = ContextVar("scope", default=None)


async def authenticate(oauth: OAuth, request: Request, token: str) -> Principal:
    """Whose token it is, whose scope counts until the request is answered; DavError 401, or 403 where it is
    good for something else."""
    needed = " ".join(scopes.SERVICES[_ANY])
    try:
        found = await oauth.login(token, _ANY, request.peer, request.is_tls)
    except Denied as error:
        raise DavError(401, error.text, headers=(bearer_challenge("invalid_token", needed),)) from error
    if not isinstance(found, Bearing):
        status = 403 if found == "insufficient_scope" else 401  # RFC 6750 §3.1
        raise DavError(status, headers=(bearer_challenge(found, needed),))
    _scope.set(found.scope)
    if request.target != "*":
        check(parse_target(request.target).segments)
    return found.person


def lift() -> None:
    """Who asks did so by a password: for the request that comes on the same connection."""
    _scope.set(None)


def covers(segments: tuple[str, ...]) -> bool:
    """Whether who asks may do so for a resource with this path."""
    scope = _scope.get()
    return scope is None or scopes.permits(scope, _service(segments))


def check(segments: tuple[str, ...]) -> None:
    """DavError 403 where covers() is false."""
    if not covers(segments):
        needed = " ".join(scopes.SERVICES[_service(segments)])
        raise DavError(403, headers=(bearer_challenge("insufficient_scope", needed),))


def _service(segments: tuple[str, ...]) -> str:
    if segments[:1] == ("resume",):  # dav/resumable.py: uploads of files
        return "files"
    return _TREES.get(segments[1], _ANY) if len(segments) > 1 else _ANY
