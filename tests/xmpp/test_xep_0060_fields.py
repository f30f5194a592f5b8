# SPDX-License-Identifier: Apache-2.0
"""The forms of XEP-0060 as data: whatever is submitted becomes a valid configuration, or is refused."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from armgs_server.config import XmppSettings
from armgs_server.storage import clock
from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps import xep_0060_config, xep_0060_fields, xep_0060_options
from armgs_server.xmpp.xeps.xep_0060_config import PERSONAL_DEFAULTS, SERVICE_DEFAULTS, NodeConfig

SETTINGS = XmppSettings()
NAMES = [field.metadata["var"] for field in dataclasses.fields(NodeConfig)]
OPTION_NAMES = [field.metadata["var"] for field in dataclasses.fields(xep_0060_options.Options)]
TEXTS = st.one_of(
    st.sampled_from(["0", "1", "true", "open", "max", "publishers", "on_sub", "ru", "a@b.example", "10"]),
    st.text(max_size=30),
)


def submit(names: list[str]) -> st.SearchStrategy[dict[str, tuple[str, ...]]]:
    return st.dictionaries(
        st.one_of(st.sampled_from(names), st.text(max_size=10)),
        st.lists(TEXTS, max_size=3).map(tuple),
        max_size=6,
    )


@given(submit(NAMES), st.booleans())
def test_any_configuration_is_taken_whole_or_refused(
    submitted: dict[str, tuple[str, ...]], is_personal: bool
) -> None:
    default = xep_0060_config.defaults("n", is_personal=is_personal)
    try:
        config = xep_0060_config.parse(default, submitted, SETTINGS, is_personal=is_personal)
    except StanzaError as error:
        assert error.condition in ("not-acceptable", "feature-not-implemented")
        return
    assert xep_0060_config.from_data(xep_0060_fields.to_data(config)) == config
    assert 0 < config.items_limit(SETTINGS) <= SETTINGS.node_items or not config.persist_items
    assert 0 <= config.payload_limit(SETTINGS) <= SETTINGS.node_payload
    assert config.oldest(clock.now()) <= clock.now()
    assert xep_0060_config.is_met(config, {name: submitted[name] for name in submitted if name in NAMES})


@given(submit(OPTION_NAMES))
def test_any_options_are_taken_whole_or_refused(submitted: dict[str, tuple[str, ...]]) -> None:
    try:
        options = xep_0060_options.parse(xep_0060_options.DEFAULTS, submitted, clock.now())
    except StanzaError as error:
        assert error.condition == "bad-request"
        return
    assert xep_0060_options.from_data(xep_0060_fields.to_data(options)) == options


def test_a_form_submitted_as_it_was_shown_changes_nothing() -> None:
    config = dataclasses.replace(
        SERVICE_DEFAULTS,
        title="Новости",
        language="tt",
        contact=("a@b.example", "c@d.example"),
        roster_groups_allowed=("x", "y"),
        max_items="7",
    )
    shown = etree.fromstring(xep_0060_config.serialise(config))
    values = dict(forms.values(shown))
    assert values.pop("FORM_TYPE") == (xep_0060_config.NODE_CONFIG,)
    assert xep_0060_config.parse(config, values, SETTINGS, is_personal=False) == config
    options = {
        field.get("var"): [
            option.findtext("{jabber:x:data}value") for option in field.iter("{jabber:x:data}option")
        ]
        for field in shown.iter("{jabber:x:data}field")
    }
    assert options["pubsub#access_model"] == ["authorize", "open", "presence", "roster", "whitelist"]
    assert options["pubsub#language"] == ["ru", "en", "tt"]
    assert options["pubsub#roster_groups_allowed"] == ["x", "y"]


def test_defaults() -> None:
    assert xep_0060_config.defaults("n", is_personal=False) == SERVICE_DEFAULTS
    assert xep_0060_config.defaults("n", is_personal=True) == PERSONAL_DEFAULTS
    for node in ("urn:xmpp:bookmarks:1", "urn:xmpp:mds:displayed:0"):
        private = xep_0060_config.defaults(node, is_personal=True)
        assert (private.access_model, private.max_items) == ("whitelist", "max")


@pytest.mark.parametrize(
    ("text", "expected"), [("1970-01-01T00:00:01Z", 1_000_000), ("1970-01-01T03:00:00+03:00", 0)]
)
def test_times(text: str, expected: int) -> None:
    assert xep_0060_fields.parse_time(text) == expected


def test_a_body_is_offered_where_one_can_be_made() -> None:
    """XEP-0060 §12.8"""
    for type_, is_offered in (("", True), ("http://www.w3.org/2005/Atom", True), ("urn:keys", False)):
        config = dataclasses.replace(SERVICE_DEFAULTS, type=type_)
        shown = forms.values(etree.fromstring(xep_0060_options.serialise(xep_0060_options.DEFAULTS, config)))
        assert ("pubsub#include_body" in shown) is is_offered


def test_a_form_of_another_type_is_refused() -> None:
    form = forms.form("urn:other", ())
    parent = etree.fromstring(b"<configure>" + form + b"</configure>")
    with pytest.raises(StanzaError) as refused:
        xep_0060_config.submitted(parent, xep_0060_config.NODE_CONFIG)
    assert refused.value.condition == "bad-request"
