# SPDX-License-Identifier: Apache-2.0
"""Log-in to DAV by an access token (RFC 6750): each part of the tree takes its own scope.

Both ends of a COPY or MOVE count: who may read files only makes no calendar of one.
"""

from typing import Final
from urllib.parse import urlsplit

from armgs_server.dav.errors import DavError
from armgs_server.directory import scopes
from armgs_server.directory.model import Principal
from armgs_server.directory.oauth import OAuth
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


async def authenticate(oauth: OAuth, request: Request, token: str) -> Principal:
    """Whose token it is; DavError 401, or 403 where it is good for something else."""
    services = {_service(request.path)}
    person: Principal | None = None
    destination = request.header("destination")
    if destination:
        services.add(_service(urlsplit(destination).path))
    for service in sorted(services):
        needed = " ".join(scopes.SERVICES[service])
        try:
            found = await oauth.login(token, service, request.peer, request.is_tls)
        except Denied as error:
            raise DavError(401, error.text, headers=(bearer_challenge("invalid_token", needed),)) from error
        if not isinstance(found, Principal):
            status = 403 if found == "insufficient_scope" else 401  # RFC 6750 §3.1
            raise DavError(status, headers=(bearer_challenge(found, needed),))
        person = found
    assert person is not None  # there is always the request's own path
    return person


def _service(path: str) -> str:
    segments = [segment for segment in path.split("/") if segment]
    return _TREES.get(segments[1], _ANY) if len(segments) > 1 and segments[0] == "dav" else _ANY
