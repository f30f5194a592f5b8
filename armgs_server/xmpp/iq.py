# SPDX-License-Identifier: Apache-2.0
"""IQs that the server answers itself (RFC 6120 §8.2.3, RFC 6121 §8.5.1): to the domain or to a bare JID.

Each file of `xeps/` lists its routes; `Routes` is the table made of all of them. A handler returns the
inside of the result, or raises a domain error, which becomes the error reply.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lxml import etree

from armgs_server.errors import DomainError
from armgs_server.xmpp import roster
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza, StanzaError, error_reply, from_domain_error, result

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server
    from armgs_server.xmpp.session import Session

# Who is asked: the domain, the asker's own account, or another person's bare JID.
At = Literal["server", "account", "contact"]


@dataclass(frozen=True, slots=True)
class Query:
    """One IQ of type get or set; `to` is the asker's own bare JID where the stanza had none."""

    server: Server
    session: Session
    stanza: Stanza
    to: JID
    followups: list[Callable[[], object]] = field(default_factory=list)
    _parsed: list[etree._Element] = field(default_factory=list)

    def after(self, action: Callable[[], object]) -> None:
        """Does something once the result has been sent: pushes that the result announces."""
        self.followups.append(action)

    @property
    def payload(self) -> etree._Element:
        """The child element as a tree, parsed when a handler first asks for it."""
        if not self._parsed:
            self._parsed.append(self.stanza.payload())
        return self._parsed[0]

    @property
    def owner(self) -> int:
        """The asker's principal id."""
        return self.session.account.owner


@dataclass(frozen=True, slots=True)
class Route:
    """Handles `<iq type=…><name xmlns=…/></iq>` sent to one of `at`.

    Who is not of this server is answered only where `outside` says so: the handler has thought of them.
    """

    type: Literal["get", "set"]
    xmlns: str
    name: str
    at: frozenset[At]
    handle: Callable[[Query], Awaitable[bytes]]
    outside: bool = False


async def _may_know(server: Server, session: Session, to: JID) -> bool:
    """Whether who asks from elsewhere may know that there is such a person."""
    person = await server.person(to)
    return person is not None and await roster.sees(server, person, session.account.bare)


SERVER: frozenset[At] = frozenset({"server"})
ACCOUNT: frozenset[At] = frozenset({"account"})
CONTACT: frozenset[At] = frozenset({"contact"})


class Routes:
    """The table: (type, "xmlns name", at) → handler."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._table: dict[tuple[str, str, At], Route] = {}
        for route in routes:
            for at in route.at:
                key = (route.type, f"{route.xmlns} {route.name}", at)
                assert key not in self._table, key
                self._table[key] = route

    async def answer(self, server: Server, session: Session, stanza: Stanza, to: JID, at: At) -> None:
        """Sends the reply, result or error, to an IQ of type get or set."""
        try:
            if len(stanza.marks) != 1:
                raise StanzaError("bad-request", "an IQ has one child element")  # RFC 6120 §8.2.3
            route = self._table.get((stanza.type, stanza.marks[0][0], at))
            if route is None or (session.is_outside and not route.outside):
                raise StanzaError("service-unavailable")
            query = Query(server, session, stanza, to)
            session.send(result(stanza, await route.handle(query)))
        except DomainError as error:
            told = from_domain_error(error)
            if session.is_outside and at == "contact" and not await _may_know(server, session, to):
                told = StanzaError("service-unavailable")  # RFC 6121 §8.5.1: as if there were no such person
            session.send(error_reply(stanza, told))
        else:
            for action in query.followups:
                action()
