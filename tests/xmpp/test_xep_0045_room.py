# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §4, §5: the state of a room."""

from __future__ import annotations

import pytest

from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.xeps.xep_0045_config import RoomConfig
from armgs_server.xmpp.xeps.xep_0045_room import Affiliation, Role, Room

TEA = parse("tea@conference.digital.example")
DESK = parse("ivanov@digital.example/desk")
PHONE = parse("ivanov@digital.example/phone")


def make(*, is_moderated: bool = False) -> Room:
    return Room(TEA, 7, RoomConfig(is_moderated=is_moderated), b"secret", history=10)


@pytest.mark.parametrize(
    ("affiliation", "is_moderated", "role"),
    [
        (Affiliation.OWNER, False, Role.MODERATOR),
        (Affiliation.ADMIN, True, Role.MODERATOR),
        (Affiliation.MEMBER, True, Role.PARTICIPANT),
        (Affiliation.NONE, False, Role.PARTICIPANT),
        (Affiliation.NONE, True, Role.VISITOR),
        (Affiliation.OUTCAST, False, Role.NONE),
    ],
)
def test_roles_on_entering(affiliation: Affiliation, is_moderated: bool, role: Role) -> None:
    assert make(is_moderated=is_moderated).default_role(affiliation) is role


def test_a_nick_has_a_seat_for_each_session() -> None:
    room = make()
    desk, phone = room.enter(DESK, "tea", b""), room.enter(PHONE, "tea", b"")
    assert desk.occupant is phone.occupant
    assert list(room.seats) == [DESK.full, PHONE.full]
    assert desk.occupant.seat is phone
    assert not room.leave(phone)
    assert room.leave(desk)
    assert (room.occupants, room.seats) == ({}, {})


def test_all_sessions_go_along_with_a_new_nick() -> None:
    room = make()
    seat = room.enter(DESK, "tea", b"")
    room.rename(seat.occupant, "coffee")
    assert list(room.occupants) == ["coffee"]
    assert seat.occupant.address.full == "tea@conference.digital.example/coffee"


def test_having_no_affiliation_has_no_entry() -> None:
    room = make()
    room.set_affiliation(DESK.bare, Affiliation.OWNER)
    assert (room.affiliation(PHONE), room.with_affiliation(Affiliation.OWNER)) == (
        Affiliation.OWNER,
        [DESK.bare],
    )
    room.set_affiliation(DESK.bare, Affiliation.NONE)
    assert (room.affiliation(DESK), room.affiliations) == (Affiliation.NONE, {})


def test_an_occupant_id_is_one_persons_in_one_room() -> None:
    room, other = make(), Room(parse("coffee@conference.digital.example"), 8, RoomConfig(), b"secret", 10)
    assert room.occupant_id(DESK) == room.occupant_id(PHONE)
    assert room.occupant_id(DESK) != other.occupant_id(DESK)
    assert "ivanov" not in room.occupant_id(DESK)
