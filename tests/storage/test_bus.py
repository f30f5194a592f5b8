# SPDX-License-Identifier: Apache-2.0
"""The bus of one process."""

from __future__ import annotations

import pytest

from armgs_server.storage.bus import LocalBus


def test_topics_are_apart_and_unsubscribing_ends_it() -> None:
    bus, heard = LocalBus(), []
    stop = bus.subscribe("a", heard.append)
    bus.subscribe("b", lambda data: heard.append(b"b:" + data))
    bus.publish("a", b"1")
    bus.publish("b", b"2")
    stop()
    stop()
    bus.publish("a", b"3")
    assert heard == [b"1", b"b:2"]


def test_a_failing_subscriber_does_not_silence_the_others(caplog: pytest.LogCaptureFixture) -> None:
    bus, heard = LocalBus(), []

    def fails(data: bytes) -> None:
        raise ValueError("no")

    bus.subscribe("a", fails)
    bus.subscribe("a", heard.append)
    bus.publish("a", b"1")
    assert heard == [b"1"] and "bus subscriber failed" in caplog.text
