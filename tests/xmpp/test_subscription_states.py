# SPDX-License-Identifier: Apache-2.0
"""RFC 6121 Appendix A: subscription states of both sides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.storage.roster import RosterItem
from armgs_server.xmpp.subscription_states import TYPES, inbound, outbound

JID = "x@y"
REQUEST = b"<presence type='subscribe'/>"


def state(text: str) -> RosterItem:
    """`to+in` and so on, as the appendix writes them: out = asked, in = asked by the contact."""
    subscription, *marks = text.split("+")
    return RosterItem(
        JID,
        subscription="" if subscription == "-" else subscription,
        ask="out" in marks,
        pending=REQUEST if "in" in marks else None,
        approved="approved" in marks,
    )


@pytest.mark.parametrize(
    ("kind", "before", "after", "is_routed"),
    [
        ("subscribe", "-", "none+out", True),
        ("subscribe", "none", "none+out", True),
        ("subscribe", "none+in", "none+out+in", True),
        ("subscribe", "from", "from+out", True),
        ("subscribe", "to", "to", True),
        ("subscribe", "both", "both", True),
        ("unsubscribe", "none+out", "none", True),
        ("unsubscribe", "to", "none", True),
        ("unsubscribe", "both", "from", True),
        ("subscribed", "-+in", "from", True),
        ("subscribed", "none+out+in", "from+out", True),
        ("subscribed", "to+in", "both", True),
        ("subscribed", "none", "none+approved", False),
        ("subscribed", "from", "from", False),
        ("unsubscribed", "-+in", "-", True),
        ("unsubscribed", "from", "none", True),
        ("unsubscribed", "both", "to", True),
        ("unsubscribed", "none", "none", False),
        ("unsubscribed", "none+approved", "none", False),
    ],
)
def test_outbound(kind: str, before: str, after: str, is_routed: bool) -> None:
    outcome = outbound(kind, state(before))
    assert outcome.item == state(after)
    assert outcome.is_routed == is_routed


@pytest.mark.parametrize(
    ("kind", "before", "after", "is_routed", "answer"),
    [
        ("subscribe", "-", "-+in", True, ""),
        ("subscribe", "to", "to+in", True, ""),
        ("subscribe", "from", "from", False, "subscribed"),
        ("subscribe", "both", "both", False, "subscribed"),
        ("subscribe", "none+approved", "from+approved", False, "subscribed"),
        ("unsubscribe", "-+in", "-", True, ""),
        ("unsubscribe", "from", "none", True, "unsubscribed"),
        ("unsubscribe", "both", "to", True, "unsubscribed"),
        ("unsubscribe", "to", "to", False, ""),
        ("subscribed", "none+out", "to", True, ""),
        ("subscribed", "from+out", "both", True, ""),
        ("subscribed", "none", "none", False, ""),
        ("unsubscribed", "to", "none", True, ""),
        ("unsubscribed", "both", "from", True, ""),
        ("unsubscribed", "none+out", "none", True, ""),
        ("unsubscribed", "from", "from", False, ""),
    ],
)
def test_inbound(kind: str, before: str, after: str, is_routed: bool, answer: str) -> None:
    outcome = inbound(kind, state(before), REQUEST)
    assert outcome.item == state(after)
    assert (outcome.is_routed, outcome.answer) == (is_routed, answer)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(sorted(TYPES))), max_size=30))
def test_both_sides_always_agree(steps: list[tuple[bool, str]]) -> None:
    """Whatever two people send each other: who sees whom is the same on both sides."""
    sides = [RosterItem("b"), RosterItem("a")]
    for by_first, kind in steps:
        me, other = (0, 1) if by_first else (1, 0)
        mine = outbound(kind, sides[me])
        sides[me] = mine.item
        if mine.is_routed:
            theirs = inbound(kind, sides[other], REQUEST)
            sides[other] = theirs.item
            if theirs.answer:
                sides[me] = inbound(theirs.answer, sides[me], REQUEST).item
        for seer, seen in (sides, sides[::-1]):
            assert (seer.subscription in ("to", "both")) == (seen.subscription in ("from", "both"))
