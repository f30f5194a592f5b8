# SPDX-License-Identifier: Apache-2.0
"""Rights to privileges and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav.names import dav
from armgs_server.dav.privileges import PRIVILEGES, privileges, rights_from, unsaid
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


@given(st.sets(st.sampled_from(sorted(PRIVILEGES))))
def test_what_was_granted_can_be_granted_again(names: set[str]) -> None:
    rights = rights_from(names)
    shown = privileges(rights)
    assert names <= set(shown) and unsaid(shown) == []
    assert privileges(rights_from(shown)) == shown
