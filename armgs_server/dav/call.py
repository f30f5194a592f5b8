# SPDX-License-Identifier: Apache-2.0
"""Call: one authenticated request on its way through a method."""

from dataclasses import dataclass, field

from armgs_server.dav.engine import Engine
from armgs_server.dav.errors import DavError
from armgs_server.dav.headers import Depth, parse_depth, parse_prefer
from armgs_server.dav.paths import Path
from armgs_server.dav.resources import CollectionResource, MemberResource, Place, Resource
from armgs_server.dav.timezone_header import adapt_zones
from armgs_server.dav.view import View
from armgs_server.dav.xml import PropFind
from armgs_server.directory.access import Rights
from armgs_server.directory.model import Principal
from armgs_server.errors import NotFound
from armgs_server.net.http import Request

# RFC 3744 §7.1.1: what is named to who lacks it; the first of a set of rights counts.
PRIVILEGE_OF = {
    Rights.READ: "read",
    Rights.WRITE: "write-content",
    Rights.INSERT: "bind",
    Rights.CREATE: "bind",
    Rights.DELETE_ITEMS: "unbind",
    Rights.DELETE_COLLECTION: "unbind",
    Rights.ADMIN: "write-acl",
}


@dataclass(slots=True)
class Call:
    """The request, who sent it, and the resource at its path."""

    engine: Engine
    request: Request
    person: Principal
    path: Path
    place: Place | None  # None for a folder of the URL space, a principal or a home
    resource: Resource
    headers: list[tuple[str, str]] = field(default_factory=list)  # to add to the answer, whatever it is

    def header(self, name: str) -> str | None:
        """A header field of the request."""
        return self.request.header(name)

    async def body(self) -> bytes:
        """The XML body of the request; TooLarge."""
        return (await self.request.read(self.engine.config.dav.request_size)).strip()

    def depth(self, default: Depth) -> Depth:
        """The Depth header."""
        return parse_depth(self.header("depth"), default)

    @property
    def preferences(self) -> dict[str, str]:
        """The Prefer header (RFC 7240)."""
        header = self.header("prefer")
        return parse_prefer(header) if header else {}

    def note_applied(self, preference: str) -> None:
        """Says in the answer that a preference was followed (RFC 7240 §3)."""
        applied = [value for name, value in self.headers if name == "Preference-Applied"]
        kept = [field for field in self.headers if field[0] not in ("Preference-Applied", "Vary")]
        said = ", ".join([*applied, preference])
        self.headers[:] = [*kept, ("Preference-Applied", said), ("Vary", "Brief,Prefer")]

    def view(self, asked: PropFind) -> View:
        """The view for properties asked for in the body; minimal where the client prefers it."""
        # RFC 8144 §2.1; COMPAT: Brief is what Apple and Microsoft clients send for the same.
        brief = (self.header("brief") or "").strip().lower() == "t"
        minimal = brief or self.preferences.get("return") == "minimal"
        if minimal:
            self.note_applied("return=minimal")
        view = View(self.engine, self.person, asked, minimal=minimal)
        view.adapt = adapt_zones(self.header)
        return view

    def require(self, resource: Resource, right: Rights) -> CollectionResource:
        """The collection the right is needed on; NotFound without LOOKUP, else 403 (RFC 3744 §7.1.1)."""
        parent = resource.parent if isinstance(resource, MemberResource) else resource
        assert isinstance(parent, CollectionResource)
        if Rights.LOOKUP not in parent.rights:
            raise NotFound()
        if right not in parent.rights:
            privilege = PRIVILEGE_OF[right]
            raise DavError(
                403,
                condition="{DAV:}need-privileges",
                content=f"<D:resource><D:href>{resource.href}</D:href>"
                f"<D:privilege><D:{privilege}/></D:privilege></D:resource>",
            )
        return parent
