# SPDX-License-Identifier: Apache-2.0
"""Tokens say what they were made of, and nothing else is taken for one."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav.errors import DavError
from armgs_server.dav.sync_tokens import parse_token, sync_token
from armgs_server.storage.collections import Collection

NUMBER = st.integers(1, 10**17)
FOLDER = Collection(1, 7, 0, "files", "", "root", 50, 0, 1, 1234, 0, 0, 0, 0, {})


@given(st.integers(1, 50), st.dictionaries(NUMBER, NUMBER, max_size=20))
def test_there_and_back(modseq: int, below: dict[int, int]) -> None:
    assert parse_token(sync_token(FOLDER, modseq, below), FOLDER) == (modseq, below)


@given(st.text(min_size=1, max_size=40))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(DavError) as refused:
        parse_token(text, FOLDER)
    assert refused.value.condition == "{DAV:}valid-sync-token"


@pytest.mark.parametrize("changed", [{"id": 8}, {"uid_validity": 1}, {"modseq": 2}])
def test_a_token_of_another_collection_or_of_the_future(changed: dict[str, int]) -> None:
    token = sync_token(FOLDER, 3)
    with pytest.raises(DavError):
        parse_token(token, dataclasses.replace(FOLDER, **changed))  # type: ignore[arg-type]


def test_the_first_time() -> None:
    assert parse_token("", FOLDER) == (0, {})
