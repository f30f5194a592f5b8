# SPDX-License-Identifier: Apache-2.0
"""WebDAV, CalDAV and CardDAV over the one store: RFC 4918, 3744, 3253 §3, 4331, 5397, 5689, 6578, 6764.

Invariants: a write is decoded and checked first, then one transaction holds conditions, locks and the
change, then comes the answer; nothing is written in place; rights are asked of directory.access alone;
who may not look something up is told that it does not exist.
"""

from collections.abc import Sequence
from functools import partial

from armgs_server.config import Config
from armgs_server.dav import (
    acl,
    attachments,
    birthdays,
    caldav,
    calendar_proxy,
    carddav,
    carddav_gateway,
    default_alarms,
    notifications,
    principal_reports,
    principal_search,
    principals,
    push,
    quota,
    resumable,
    scheduling,
    sharing,
    subscribed,
    sync,
    tzdist,
    versions,
    wellknown,
    wopi,
    wopi_page,
)
from armgs_server.dav.app import App
from armgs_server.dav.engine import Engine
from armgs_server.dav.features import Feature, Kind, Shape, build_tables
from armgs_server.dav.methods import METHODS, bulk, patch, post, report, search
from armgs_server.dav.names import dav
from armgs_server.dav.properties import PROPERTIES
from armgs_server.dav.push_delivery import Pusher
from armgs_server.dav.push_messages import PREFIX as PUSH_PREFIX
from armgs_server.dav.resumable import Resumable
from armgs_server.dav.scheduling_imip import Inbound
from armgs_server.dav.subscribed_refresh import Refresher
from armgs_server.dav.wopi import Wopi
from armgs_server.dav.wopi_page import EditPage
from armgs_server.net.http import Handler, Request, Response
from armgs_server.net.stream import Listener
from armgs_server.service import Core


def _file_size(config: Config) -> int:
    return config.dav.file_size


FILES = Kind(
    name="files",
    home="files",
    shape=Shape.FILES,
    member=Shape.FILE,
    types=(dav("collection"),),
    content_type="application/octet-stream",
    size_limit=_file_size,
    nested=True,
)
WEBDAV = Feature(
    compliance=("1", "2", "3"),
    properties=(*PROPERTIES, report.PROPERTY),
    methods=METHODS,
    reports=(report.REPORT,),
    kinds=(FILES,),
)
EXTENDED_MKCOL = Feature(compliance=("extended-mkcol",))
FEATURES: tuple[Feature, ...] = (
    WEBDAV,
    acl.FEATURE,
    EXTENDED_MKCOL,
    post.FEATURE,
    bulk.FEATURE,
    patch.FEATURE,
    search.FEATURE,
    quota.FEATURE,
    sync.FEATURE,
    versions.FEATURE,
    principals.FEATURE,
    principal_reports.FEATURE,
    principal_search.FEATURE,
    caldav.FEATURE,
    default_alarms.FEATURE,
    attachments.FEATURE,
    scheduling.FEATURE,
    calendar_proxy.FEATURE,
    notifications.FEATURE,
    sharing.FEATURE,
    subscribed.FEATURE,
    birthdays.FEATURE,
    carddav.FEATURE,
    carddav_gateway.FEATURE,
    push.FEATURE,
)


class DavService:
    """What the daemon runs: HTTP paths, and what takes invitations out of the mail."""

    def __init__(self, core: Core, features: Sequence[Feature] = FEATURES) -> None:
        self.engine = Engine(core, build_tables(features))
        self._app = App(self.engine)
        self._resumable = Resumable(self.engine, self._app.dispatch)
        self._wopi = Wopi(self.engine, _base_url(core))
        self._edit_page = EditPage(self.engine, self._wopi)
        self._inbound = Inbound(core)
        self._refresher = Refresher(core)
        self._pusher = Pusher(self.engine)

    @property
    def listeners(self) -> Sequence[Listener]:
        return ()

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        handle = self._app.handle
        return [
            ("/dav", self._dav),
            (PUSH_PREFIX, self._push),
            (resumable.PREFIX, self._resume),
            (wopi.PREFIX, self._wopi.handle),
            (wopi_page.PREFIX, self._edit),
            # COMPAT: Windows asks the root and every parent of a drive before it mounts it.
            ("OPTIONS /", handle),
            ("PROPFIND /", handle),
            *((path, wellknown.redirect) for path in wellknown.PATHS),
            (tzdist.PREFIX, tzdist.handle),
            (tzdist.WELL_KNOWN, tzdist.redirect),
        ]

    async def _dav(self, request: Request) -> Response:
        if request.method == "PUT" and self._resumable.is_wanted(request):
            return await self._app.authenticated(request, self._resumable.create)
        return await self._app.handle(request)

    async def _push(self, request: Request) -> Response:
        return await self._app.authenticated(request, partial(push.handle_registration, self.engine))

    async def _resume(self, request: Request) -> Response:
        return await self._app.authenticated(request, self._resumable.handle)

    async def _edit(self, request: Request) -> Response:
        return await self._app.authenticated(request, self._edit_page.handle)

    async def start(self) -> None:
        """Begins to look for invitations, and to tell devices of changes."""
        await self._inbound.start()
        await self._refresher.start()
        await self._pusher.start()

    async def stop(self) -> None:
        """Requests in flight are the HTTP shell's to end."""
        await self._pusher.stop()
        await self._refresher.stop()
        await self._inbound.stop()


def _base_url(core: Core) -> str:
    """Where this server is reached over HTTP, without a slash at the end."""
    scheme, standard = ("https", 443) if core.tls is not None else ("http", 80)
    port = core.config.port(standard)
    return f"{scheme}://{core.config.server.hostname}" + ("" if port == standard else f":{port}")


def service(core: Core) -> DavService:
    """The service of this package."""
    return DavService(core)
