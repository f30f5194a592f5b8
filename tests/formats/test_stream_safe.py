# SPDX-License-Identifier: Apache-2.0
"""Text before it is normalised."""

from __future__ import annotations

import time
import unicodedata

import pytest

from armgs_server.directory import people_search, scram
from armgs_server.errors import Invalid
from armgs_server.formats.stream_safe import stream_safe
from armgs_server.storage import fulltext

MARKS = "\u0301\u0327"


@pytest.mark.parametrize("text", ["", "plain", "Ёлки́ и́з лесу", ("e" + MARKS * 15) * 20, "Z̸̢̛a̶͜l̷g̵o̸", "—" * 500])
def test_text_stays(text: str) -> None:
    assert stream_safe(text) == text


def test_no_more_than_thirty_in_a_row() -> None:
    assert stream_safe("a" + MARKS * 500 + "b" + MARKS * 500) == "a" + MARKS * 15 + "b" + MARKS * 15


def test_every_combining_character_is_seen() -> None:
    every = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    marks = [char for char in every if unicodedata.combining(unicodedata.normalize("NFKD", char)[0])]
    assert len(marks) > 800
    assert "\uff9e" in marks  # a letter, until it is normalised
    assert [mark for mark in marks if len(stream_safe(mark * 400)) != 30] == []


def test_what_anybody_may_send_takes_no_time() -> None:
    """Minutes, without it."""
    text = "word " + MARKS * 50_000 + " other"
    begin = time.process_time()
    assert fulltext.stems(text) == {"word", "other"}
    assert len(fulltext.parse_query(text)) == 2
    assert len(people_search.fold(text)) < 50
    with pytest.raises(Invalid):
        scram.prepare(text)
    assert time.process_time() - begin < 2
