# SPDX-License-Identifier: Apache-2.0
"""Words as one byte string: what is found is what a search through the texts finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats import word_index
from armgs_server.formats.base_subject import casemap
from armgs_server.formats.word_index import SPAN, WordIndex

ALPHABET = "ab_ Я\u0301йё.-\n\u00a0ßﬁ1\ud800"
_TEXTS = st.dictionaries(st.integers(0, 30), st.text(ALPHABET, max_size=30), max_size=8)


def made(texts: dict[int, str], base: int = 0) -> WordIndex:
    return word_index.build({base + id_: word_index.words_of(casemap(text)) for id_, text in texts.items()})


def having(index: WordIndex, base: int, pattern: bytes) -> set[int]:
    found: set[int] = set()
    for place in word_index.hits(index.words, index.starts, pattern):
        begin = index.ends[place - 1] if place else 0
        packed = index.ids[begin * word_index.ITEM : index.ends[place] * word_index.ITEM]
        found.update(word_index.ids(base, packed))
    return found


def check(index: WordIndex, base: int, texts: dict[int, str], searched: str) -> None:
    needle = word_index.needle(searched)
    expected = {base + id_ for id_, text in texts.items() if casemap(searched) in casemap(text)}
    candidates = [having(index, base, pattern) for pattern in needle.patterns]
    if needle.is_exact:
        assert candidates == [expected]
    for each in candidates:
        assert expected <= each


@given(_TEXTS, st.text(ALPHABET, min_size=1, max_size=6))
def test_what_is_found(texts: dict[int, str], searched: str) -> None:
    check(made(texts), 0, texts, searched)
    check(made(texts, 3 * SPAN), 3 * SPAN, texts, searched)


@given(_TEXTS, _TEXTS, st.sets(st.integers(0, 90)), st.text(ALPHABET, min_size=1, max_size=6))
def test_merged(first: dict[int, str], second: dict[int, str], gone: set[int], searched: str) -> None:
    later = {id_ + 50: text for id_, text in second.items()}
    whole = word_index.merge([made(first), made(later)])
    assert whole == made(first | later)
    left = {id_: text for id_, text in (first | later).items() if id_ not in gone}
    check(word_index.merge([made(first), made(later)], gone), 0, left, searched)


def test_a_word_is_between_line_ends() -> None:
    index = made({1: "Foo-bar foo_bar", 2: "foo"})
    assert index.words == b"\nBAR\nFOO\nFOO_BAR\n"
    assert [index.word(place) for place in range(len(index))] == [b"BAR", b"FOO", b"FOO_BAR"]
    assert word_index.needle("foo").patterns == (b"FOO",)
    assert word_index.needle("oo-ba").patterns == (b"OO\n", b"\nBA")
    assert word_index.needle(" foo ").patterns == (b"\nFOO\n",)
    assert word_index.needle(".").patterns == ()
    assert word_index.needle("foo").is_exact
    assert not any(word_index.needle(text).is_exact for text in ("foo\n", "\nfoo", "foo bar", "."))


def test_nothing() -> None:
    index = made({})
    assert len(index) == 0 and index.words == b"\n\n"
    assert word_index.hits(index.words, index.starts, b"A") == []
    assert word_index.merge([index, made({1: "a"})]) == made({1: "a"})
    assert word_index.merge([]) == index
