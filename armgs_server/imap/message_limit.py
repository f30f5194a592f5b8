# SPDX-License-Identifier: Apache-2.0
"""MESSAGELIMIT (RFC 9738): how many messages one command works on, where `[imap] message_limit` says so.

Of more messages FETCH, STORE, SEARCH, MOVE and UID EXPUNGE work on those with the highest uids, and the
client learns the lowest of these; what is all or nothing is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from armgs_server.imap.command import Ok
from armgs_server.imap.responses import no, status
from armgs_server.imap.view import View

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

Runs = Sequence[tuple[int, int]]


def limit_runs(session: Session, view: View, runs: Runs) -> tuple[list[tuple[int, int]], str]:
    """Places of the view within the limit, and the response code where there were more (RFC 9738 §3.1)."""
    left = session.settings.message_limit
    if not left or sum(end - first for first, end in runs) <= left:
        return list(runs), ""
    chosen: list[tuple[int, int]] = []
    for first, end in reversed(runs):
        first = max(first, end - left)
        chosen.insert(0, (first, end))
        left -= end - first
        if not left:
            break
    return chosen, _code(session, view.uids[chosen[0][0]])


def limit_uids(session: Session, uids: Sequence[int]) -> tuple[Sequence[int], str]:
    """The same of ascending uids."""
    limit = session.settings.message_limit
    if not limit or len(uids) <= limit:
        return uids, ""
    return uids[-limit:], _code(session, uids[-limit])


def check(session: Session, count: int) -> None:
    """NO where a command that cannot be done by halves is asked for more."""
    limit = session.settings.message_limit
    if limit and count > limit:
        raise no(f"more than {limit} messages", f"MESSAGELIMIT {limit}")


def say(session: Session, answer: Ok, code: str) -> Ok:
    """The answer with the code; where it has one already, the limit is told before it."""
    if not code:
        return answer
    if not answer.code:
        return Ok(answer.text, code)
    session.write(status(b"*", b"NO", "not all messages were looked at", code))
    return answer


def _code(session: Session, lowest: int) -> str:
    return f"MESSAGELIMIT {session.settings.message_limit} {lowest}"
