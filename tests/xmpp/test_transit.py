# SPDX-License-Identifier: Apache-2.0
"""Frames for sessions on their way: kept for whom they concern, once, and no longer than needed."""

from __future__ import annotations

from armgs_server.xmpp import frame
from armgs_server.xmpp.frame import Frame
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.transit import FRAMES_LIMIT, Transit

PHONE = parse("ann@digital.example/phone")


def stanza(to: str, number: int, kind: str = frame.STANZA, argument: str = "", process: str = "p1") -> Frame:
    return Frame(process, kind, to, "", argument, b"<x/>", number)


def test_only_what_the_former_process_has_not_seen_is_new() -> None:
    transit = Transit()
    arrival = transit.expect(PHONE, 7)
    for number in (1, 2, 3):
        frame_ = stanza(PHONE.full, number)
        assert transit.keep(frame_, is_broadcast=True, has_receivers=False)
    assert transit.keep(stanza(PHONE.full, 1, process="p2"), is_broadcast=True, has_receivers=False)
    # to this process alone: the other one did not get it, whatever its number
    assert transit.keep(stanza(PHONE.full, 1, frame.IQ), is_broadcast=False, has_receivers=False)
    unseen = [(each.process, each.number, each.kind) for each in arrival.unseen({"p1": 2})]
    assert unseen == [("p1", 3, frame.STANZA), ("p2", 1, frame.STANZA), ("p1", 1, frame.IQ)]


def test_what_is_for_others_too_is_handled_at_once() -> None:
    transit = Transit()
    arrival = transit.expect(PHONE, 7)
    assert not transit.keep(stanza("ann@digital.example/desk", 1), is_broadcast=True, has_receivers=True)
    assert not transit.keep(stanza("bob@digital.example", 2), is_broadcast=True, has_receivers=True)
    assert arrival.frames == []
    assert not transit.keep(stanza(PHONE.bare, 3), is_broadcast=True, has_receivers=True)
    carbon = stanza("ann@digital.example/desk", 4, frame.CARBON, "received 5")
    assert not transit.keep(carbon, is_broadcast=True, has_receivers=True)
    message = stanza(PHONE.bare, 5, frame.MESSAGE, "keep")
    assert not transit.keep(message, is_broadcast=False, has_receivers=True)
    # nobody else takes it: it waits for the session, which stores it where it does not take it either
    assert transit.keep(message, is_broadcast=False, has_receivers=False)
    assert [(kept.frame.number, kept.frame.argument, kept.is_handled) for kept in arrival.frames] == [
        (3, "", True),
        (4, "received 5", True),
        (5, "", True),
        (5, "keep", False),
    ]


def test_who_is_expected() -> None:
    transit = Transit()
    assert not transit.is_expected(PHONE.bare)
    first, second = transit.expect(PHONE, 7), transit.expect(parse("ann@digital.example/desk"), 8)
    assert transit.is_expected(PHONE.bare) and transit.is_expected(PHONE.full)
    assert not transit.is_expected("ann@digital.example/other")
    assert transit.arrival(7) is first and transit.arrival(9) is None
    transit.settle(first)
    transit.settle(first)
    assert first.done.is_set()
    assert transit.is_expected(PHONE.bare) and not transit.is_expected(PHONE.full)
    transit.settle(second)
    assert not transit.is_expected(PHONE.bare) and transit.arrival(8) is None


def test_no_more_is_kept_than_the_limit() -> None:
    transit = Transit()
    arrival = transit.expect(PHONE, 7)
    for number in range(FRAMES_LIMIT + 5):
        transit.keep(stanza(PHONE.full, number), is_broadcast=True, has_receivers=False)
    assert len(arrival.frames) == FRAMES_LIMIT


async def test_where_who_has_left_has_gone() -> None:
    transit = Transit()
    assert transit.heir(PHONE.full) == ""
    transit.depart(PHONE, "p2")
    assert transit.heir(PHONE.full) == transit.heir(PHONE.bare) == "p2"
    assert transit.heir("ann@digital.example/desk") == transit.heir("an@digital.example") == ""
