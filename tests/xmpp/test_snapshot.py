# SPDX-License-Identifier: Apache-2.0
"""A session that was parked is the same when it is taken."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from armgs_server.directory import Principal
from armgs_server.xmpp import snapshot
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.xeps.xep_0198_sm import Management
from armgs_server.xmpp.xeps.xep_0352_csi import Holding

PERSON = Principal(7, "person", "ann@digital.example", "Ann", 1, 0, "", False, False, MappingProxyType({}))
MADE_ANEW = {"account", "expiry", "handling", "holding", "is_ended", "is_spared", "sm", "stream"}
STANZAS = st.binary(min_size=1).map(lambda data: data.replace(b"\0", b" "))


def counters() -> Management:
    return Management(is_resumable=True, limit=100, size_limit=1000)


def full_session(number: int, queue: list[bytes]) -> Session:
    session = Session(Account(PERSON), parse("ann@digital.example/телефон"), None, "ru")
    session.number = number
    session.presence = "><status>здесь</status></presence>".encode()
    session.priority = -5
    session.device, session.has_password = "d1", True
    session.has_roster = session.wants_blocklist = session.wants_carbons = True
    session.caps, session.caps_query = b"<c/>", "caps-1"
    session.interests = frozenset({"urn:a", "urn:b"})
    session.directed = {"room@conference.digital.example/ann"}
    session.active_at = 99
    session.sm = counters()
    session.sm.id, session.sm.handled = f"{number:x}.secret", 17
    session.sm.restore(4_294_967_290, queue)
    return session


@given(st.integers(1, (1 << 63) - 1), st.lists(STANZAS, max_size=5))
def test_all_of_it(number: int, queue: list[bytes]) -> None:
    session = full_session(number, queue)
    before: dict[str, Any] = {name: getattr(session, name) for name in Session.__slots__}
    assert session.sm is not None
    parked = snapshot.take(session, session.sm, heir="p2", expires=123, heard={"p1": 5})
    assert (parked.owner, parked.number, parked.heir, parked.expires) == (7, number, "p2", 123)
    taken = snapshot.read(parked)
    assert taken.heard == {"p1": 5}
    assert taken.queue() == queue
    assert taken.row("p2").presence == session.presence
    again = taken.restore(Account(PERSON), counters())
    # a new member of a session is either kept, or named above as made anew
    for name in set(Session.__slots__) - MADE_ANEW:
        assert getattr(again, name) == before[name], name
    assert again.stream is None and again.sm is not None
    assert (again.sm.id, again.sm.handled, again.sm.acknowledged) == (session.sm.id, 17, 4_294_967_290)
    assert (list(again.sm.queue), again.sm.size) == (queue, sum(map(len, queue)))


def test_what_an_inactive_client_had_not_been_sent_is_in_the_queue() -> None:
    session = full_session(1, [b"<message/>"])
    session.holding = Holding()
    presence = b"<presence from='bob@digital.example/x' to='ann@digital.example'/>"
    session.send(presence)
    assert session.sm is not None and list(session.sm.queue) == [b"<message/>"]
    parked = snapshot.take(session, session.sm, heir="", expires=0, heard={})
    taken = snapshot.read(parked)
    assert taken.queue() == [b"<message/>", presence]
    assert taken.restore(Account(PERSON), counters()).holding is not None
    session.presence = None
    assert snapshot.read(snapshot.take(session, session.sm, heir="", expires=0, heard={})).presence is None
