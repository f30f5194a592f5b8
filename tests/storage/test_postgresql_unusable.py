# SPDX-License-Identifier: Apache-2.0
"""Sentences about a database that cannot be ours: they name the place, and never the password."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.storage.postgresql_unusable import explain, place_of


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://armgs:secret@10.0.0.1:5433/mail", "database mail at 10.0.0.1:5433"),
        ("postgresql://armgs:secret@a,b,c/mail?target_session_attrs=read-write", "database mail at a,b,c"),
        ("postgresql://armgs@/mail?host=/run/postgresql", "database mail at /run/postgresql"),
        ("postgresql://armgs:se@cret@host/mail", "database mail at host"),
        ("postgresql:///mail", "database mail at this host"),
        ("postgresql://armgs@host", "database (none) at host"),
        ("postgresql://armgs:secret@[::1/mail", "the database"),
        ("postgresql://armgs:sec/ret@host/mail", "the database"),
        ("postgresql://armgs:sec#ret@host/mail", "the database"),
    ],
)
def test_the_place_of_a_url(url: str, place: str) -> None:
    assert place_of(url) == place


@given(
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.sampled_from([OSError(), TimeoutError(), ValueError()]),
)
def test_no_password_is_told(password: str, error: Exception) -> None:
    secret = f"<<{password}>>"
    text = explain(f"postgresql://armgs:{quote(secret, safe='')}@host/mail", error).text
    assert text.startswith("database mail at host: ")
    assert secret not in text and quote(secret, safe="") not in text


@given(st.text())
def test_any_text_has_a_sentence(url: str) -> None:
    assert explain(f"postgresql://{url}", OSError("refused")).text.endswith(".")
