# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §10.2: the configuration as a form and as kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats import xmltree
from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps import xep_0004_forms, xep_0045_config
from armgs_server.xmpp.xeps.xep_0045_config import RoomConfig, from_data, parse, serialise


def test_what_is_kept_is_what_differs_from_the_defaults() -> None:
    config = RoomConfig(name="Чай", members_only=True, max_users=7)
    assert config.to_data() == {"name": "Чай", "members_only": True, "max_users": 7}
    assert from_data({**config.to_data(), "of another version": 1}) == config


def test_the_form_comes_back_as_it_was() -> None:
    config = RoomConfig(name="Tea & Cake", description="<b>", has_password=True, password="s", max_users=3)
    values = xep_0004_forms.values(xmltree.parse(serialise(config, "title")))
    assert values["FORM_TYPE"] == (xep_0045_config.FORM_TYPE,)
    assert parse(RoomConfig(), values) == config


def test_what_a_form_leaves_out_stays() -> None:
    before = RoomConfig(name="Tea", members_only=True)
    assert parse(before, {"muc#roomconfig_roomdesc": ("green",), "unknown": ("1",)}) == RoomConfig(
        name="Tea", members_only=True, description="green"
    )
    assert parse(before, {"muc#roomconfig_maxusers": ("none",), "muc#roomconfig_roomname": ()}).name == ""


@given(
    st.dictionaries(
        st.sampled_from(
            [f"muc#roomconfig_{name}" for name in ("roomname", "maxusers", "whois", "membersonly")]
        ),
        st.lists(st.text(), max_size=2).map(tuple),
    )
)
def test_any_form_is_taken_or_refused(submitted: dict[str, tuple[str, ...]]) -> None:
    try:
        config = parse(RoomConfig(), submitted)
    except StanzaError as error:
        assert error.condition == "not-acceptable"
    else:
        assert from_data(config.to_data()) == config


@pytest.mark.parametrize("text", ["0", "false"])
def test_a_boolean_is_written_in_two_ways(text: str) -> None:
    assert not parse(RoomConfig(), {"muc#roomconfig_publicroom": (text,)}).is_public
