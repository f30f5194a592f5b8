# SPDX-License-Identifier: Apache-2.0
"""Since when a client is silent, as seen by one look a beat."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from armgs_server.xmpp.unacknowledged import Unacknowledged
from armgs_server.xmpp.xeps.xep_0198_sm import Management


class Client:
    """A session of which nothing but its counters is looked at."""

    def __init__(self) -> None:
        self.sm = Management(is_resumable=True, limit=100, size_limit=10_000)
        self.session: Any = SimpleNamespace(sm=self.sm, number=5, account=SimpleNamespace(owner=1))

    def get(self, *stanzas: bytes) -> None:
        self.sm.restore(self.sm.acknowledged, [*self.sm.queue, *stanzas])


def test_only_who_is_silent_for_longer_than_a_beat_is_noted() -> None:
    client, looks = Client(), Unacknowledged(0)
    assert looks.look([client.session], 10) == []
    client.get(b"a")
    assert (
        looks.look([client.session], 20) == []
    )  # sent since the last look: that is what is looked for anyway
    client.get(b"b")
    assert looks.look([client.session], 30) == [(1, 5, 10)]
    assert looks.look([client.session], 40) == []  # no change
    client.sm.acknowledge(1)
    assert looks.look([client.session], 50) == [(1, 5, 20)]  # "b" came after that
    client.sm.acknowledge(2)
    assert looks.look([client.session], 60) == [(1, 5, 0)]
    assert looks.look([client.session], 70) == []


def test_who_is_gone_is_forgotten() -> None:
    client, looks = Client(), Unacknowledged(1)
    client.get(b"a")
    assert looks.look([client.session], 10) == []
    assert looks.look([client.session], 20) == [(1, 5, 1)]
    assert looks.look([], 30) == []
    assert looks.look([client.session], 40) == []  # begins anew


def test_sessions_that_do_not_count_are_passed_over() -> None:
    looks = Unacknowledged(0)
    plain: Any = SimpleNamespace(sm=None, number=6, account=SimpleNamespace(owner=1))
    assert looks.look([plain], 10) == looks.look([plain], 20) == []
