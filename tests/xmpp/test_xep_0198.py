# SPDX-License-Identifier: Apache-2.0
"""XEP-0198 §4: the counters, over their wrap."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.xmpp.xeps.xep_0198_sm import Management, TooHighCount

_MODULUS = 1 << 32


class Nobody:
    """A session whose client is away: nothing is written."""

    stream = None


def management(limit: int = 1000) -> tuple[Management, list[str]]:
    given_up: list[str] = []
    counters = Management(is_resumable=True, limit=limit, size_limit=1000)
    counters.on_overflow = lambda _: given_up.append("!")
    return counters, given_up


@given(st.integers(0, _MODULUS - 1), st.integers(0, 50), st.integers(-60, 60))
def test_acknowledgement(start: int, sent: int, more: int) -> None:
    counters, _ = management()
    counters.acknowledged = start
    session: Any = Nobody()
    for number in range(sent):
        counters.sent(b"%d" % number, session)
    h = (start + more) % _MODULUS
    if not 0 <= more <= sent:
        with pytest.raises(TooHighCount):
            counters.acknowledge(h)
        return
    counters.acknowledge(h)
    assert list(counters.queue) == [b"%d" % number for number in range(more, sent)]
    assert counters.acknowledged == h


def test_handled_wraps() -> None:
    counters, _ = management()
    counters.handled = _MODULUS - 1
    counters.count_handled(2)
    assert counters.answer() == b"<a xmlns='urn:xmpp:sm:3' h='1'/>"


def test_a_client_that_acknowledges_nothing_is_given_up() -> None:
    counters, given_up = management(limit=3)
    session: Any = Nobody()
    for _ in range(3):
        counters.sent(b"x", session)
    assert given_up == []
    counters.sent(b"x", session)
    assert given_up == ["!"]
    assert not counters.is_resumable
