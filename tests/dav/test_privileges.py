# SPDX-License-Identifier: Apache-2.0
"""Rights to privileges and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav.features import Shape
from armgs_server.dav.names import dav
from armgs_server.dav.privileges import privileges, rights_from, supported, unsaid
from armgs_server.directory.access import EVERYTHING, NOTHING, READ_ONLY, READ_WRITE, Rights


def local(rights: Rights) -> list[str]:
    return [name.removeprefix("{DAV:}") for name in privileges(rights)]


def test_what_rights_permit() -> None:
    assert local(READ_ONLY) == ["read", "read-current-user-privilege-set"]
    assert local(NOTHING) == []
    everything = local(EVERYTHING)
    assert everything[0] == "all" and {"write", "write-acl", "bind", "unbind", "unlock"} < set(everything)
    assert "write" in local(READ_WRITE) and "write-acl" not in local(READ_WRITE)
    assert "write" not in local(Rights.WRITE | Rights.INSERT)


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        (["read", "write"], []),
        (["write-content"], []),
        (["write-properties"], ["write-properties"]),
        (["write-properties", "write-content"], []),
        (["write-properties", "write"], []),
        (["read-acl", "read"], ["read-acl"]),
        (["read-acl", "unlock", "write-acl"], []),
        (["all"], []),
    ],
)
def test_an_abstract_privilege_is_not_granted_without_its_neighbour(
    names: list[str], refused: list[str]
) -> None:
    assert unsaid(map(dav, names)) == [dav(name) for name in refused]


SHAPES = (Shape.FILES, Shape.CALENDAR, Shape.INBOX, Shape.OUTBOX)
GRANTS = st.sampled_from(SHAPES).flatmap(
    lambda shape: st.tuples(st.just(shape), st.sets(st.sampled_from(sorted(supported(shape)))))
)


@given(GRANTS)
def test_what_was_granted_can_be_granted_again(grant: tuple[Shape, set[str]]) -> None:
    shape, names = grant
    shown = privileges(rights_from(names, shape), shape)
    assert names <= set(shown) and unsaid(shown, shape) == []
    assert privileges(rights_from(shown, shape), shape) == shown


def test_what_is_special_about_calendars_inboxes_and_outboxes() -> None:
    def special(shape: Shape) -> set[str]:
        return {name.rpartition("}")[2] for name in supported(shape)} - {
            name.rpartition("}")[2] for name in supported()
        }

    assert special(Shape.CALENDAR) == {"read-free-busy"} == special(Shape.EVENT)
    deliver = {"schedule-deliver-invite", "schedule-deliver-reply", "schedule-query-freebusy"}
    assert special(Shape.INBOX) == {"schedule-deliver", *deliver}
    send = {"schedule-send-invite", "schedule-send-reply", "schedule-send-freebusy"}
    assert special(Shape.OUTBOX) == {"schedule-send", *send}
    assert "{urn:ietf:params:xml:ns:caldav}read-free-busy" in privileges(READ_ONLY, Shape.CALENDAR)
    assert set(privileges(EVERYTHING, Shape.INBOX)) == set(supported(Shape.INBOX))
    assert privileges(Rights.FREE_BUSY, Shape.CALENDAR) == ["{urn:ietf:params:xml:ns:caldav}read-free-busy"]
