# SPDX-License-Identifier: Apache-2.0
"""A session as the store keeps it between two processes (XEP-0198 §5): all that must go on unchanged.

Not kept, because it is made anew: the stream, the account, locks, timers. What an inactive client had not
been sent yet (XEP-0352) goes into the queue; that it is inactive stays known until it resumes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from armgs_server.storage.parked import ParkedSession
from armgs_server.storage.sessions import SessionRow
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.xeps.xep_0198_sm import Management
from armgs_server.xmpp.xeps.xep_0352_csi import Holding

_BETWEEN = b"\0"  # which no stanza contains


def take(
    session: Session, management: Management, *, heir: str, expires: int, heard: Mapping[str, int]
) -> ParkedSession:
    """The session as it is now; `heard` is the number of the last frame it got from each process."""
    was_inactive = session.holding is not None
    session.release()
    management.stop()
    state = {
        "jid": session.jid.full,
        "lang": session.lang,
        "device": session.device,
        "has_password": session.has_password,
        "presence": None if session.presence is None else session.presence.decode(),
        "priority": session.priority,
        "has_roster": session.has_roster,
        "wants_blocklist": session.wants_blocklist,
        "wants_carbons": session.wants_carbons,
        "caps": session.caps.decode(),
        "caps_query": session.caps_query,
        "interests": sorted(session.interests),
        "directed": sorted(session.directed),
        "is_inactive": was_inactive,
        "active_at": session.active_at,
        "id": management.id,
        "handled": management.handled,
        "acknowledged": management.acknowledged,
        "heard": dict(heard),
    }
    text = json.dumps(state, ensure_ascii=False)
    queue = _BETWEEN.join(management.queue)
    return ParkedSession(session.account.owner, session.number, heir, expires, text, queue)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A parked session, read."""

    parked: ParkedSession
    jid: JID
    heard: Mapping[str, int]
    state: Mapping[str, Any]

    @property
    def presence(self) -> bytes | None:
        presence: str | None = self.state["presence"]
        return None if presence is None else presence.encode()

    def row(self, process: str) -> SessionRow:
        """What others see of it once it is in that process."""
        parked, jid = self.parked, self.jid
        return SessionRow(
            parked.owner,
            jid.bare,
            jid.resource,
            parked.number,
            process,
            self.state["priority"],
            self.presence,
            b"",
        )

    def queue(self) -> list[bytes]:
        """What its client has not acknowledged."""
        return self.parked.queue.split(_BETWEEN) if self.parked.queue else []

    def restore(self, account: Account, management: Management) -> Session:
        """The session, waiting for its client; `management` is a new one."""
        state = self.state
        session = Session(account, self.jid, None, state["lang"])
        session.number = self.parked.number
        session.device = state["device"]
        session.has_password = state["has_password"]
        session.presence = self.presence
        session.priority = state["priority"]
        session.has_roster = state["has_roster"]
        session.wants_blocklist = state["wants_blocklist"]
        session.wants_carbons = state["wants_carbons"]
        session.caps = state["caps"].encode()
        session.caps_query = state["caps_query"]
        session.interests = frozenset(state["interests"])
        session.directed = frozenset(state["directed"])
        session.holding = Holding() if state["is_inactive"] else None
        session.active_at = state["active_at"]
        management.id = state["id"]
        management.handled = state["handled"]
        management.restore(state["acknowledged"], self.queue())
        session.sm = management
        return session


def read(parked: ParkedSession) -> Snapshot:
    """What `take` has written."""
    state: dict[str, Any] = json.loads(parked.state)
    return Snapshot(parked, parse(state["jid"]), state["heard"], state)
