# SPDX-License-Identifier: Apache-2.0
"""What the command table is made of: RFC 3501 §3 and §6."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING, TypeAlias

from armgs_server import measures, trace_id
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import bad, uid_required
from armgs_server.trace_id import TraceId

if TYPE_CHECKING:
    from armgs_server.imap.session import Session


class State(Flag):
    """RFC 3501 §3; a command may be allowed in several."""

    NOT_AUTHENTICATED = auto()
    AUTHENTICATED = auto()
    SELECTED = auto()


@dataclass(frozen=True, slots=True)
class Ok:
    """A tagged OK."""

    text: str
    code: str = ""


_operations = measures.operations("imap")

Handler: TypeAlias = "Callable[[Session, Cursor], Awaitable[Ok | None]]"


@dataclass(frozen=True, slots=True)
class Spec:
    """One command: who answers it, in which states, and what its being here lets the server announce.

    A handler that answers None has written the tagged line itself.

    `may_expunge` is false where RFC 3501 §7.4.1 forbids EXPUNGE before the tagged line; `by_number` is true
    where messages are meant or told by their numbers, which a client may give up (RFC 9586).
    """

    handle: Handler
    states: State
    capabilities: tuple[str, ...] = ()
    may_expunge: bool = True
    by_number: bool = False

    def check(self, name: str, state: State, enabled: Set[str]) -> None:
        """BAD where the command is not allowed now."""
        if state not in self.states:
            raise bad(f"{name} is not allowed now")
        if self.by_number and "UIDONLY" in enabled:
            raise uid_required()

    async def run(self, name: str, session: Session, cursor: Cursor) -> Ok | None:
        """Answers, and counts for how long; a client that idles is waited for, which is no work."""
        begin = measures.clock()
        token = trace_id.enter(TraceId())
        try:
            return await self.handle(session, cursor)
        finally:
            trace_id.leave(token)
            if name != "IDLE":
                _operations.done(name, begin)
