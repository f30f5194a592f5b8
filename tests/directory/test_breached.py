# SPDX-License-Identifier: Apache-2.0
"""Lists of passwords that others know, in both forms: what stands in them is found, and nothing else."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armgs_server.directory.breached import is_listed

WORDS = st.sets(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1))


def digest(word: str) -> str:
    return hashlib.sha1(word.encode()).hexdigest().upper()


@settings(max_examples=60, deadline=None)
@given(WORDS, WORDS, st.sampled_from(["", ":17", ":3861493"]), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_sums_in_order(known: set[str], others: set[str], count: str, end: str, is_lower: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sums.txt"
        lines = [f"{digest(word)}{count}" for word in known]
        text = end.join(sorted(line.lower() if is_lower else line for line in lines))
        file.write_bytes((text + end).encode() if known else b"")
        assert all(is_listed(file, word) for word in known)
        assert not any(is_listed(file, word) for word in others - known)


@settings(max_examples=60, deadline=None)
@given(WORDS, WORDS, st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_words_in_any_order(known: set[str], others: set[str], end: bytes, is_ended: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "words.txt"
        file.write_bytes(end.join(word.encode() for word in known) + (end if is_ended and known else b""))
        assert all(is_listed(file, word) for word in known)
        assert not any(is_listed(file, word) for word in others - known)


def test_a_part_of_a_line_is_no_line(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("password123\nqwerty\n")
    assert is_listed(file, "qwerty") and is_listed(file, "password123")
    assert not any(is_listed(file, word) for word in ("password", "qwert", "123", "werty"))


def test_a_large_list_of_sums(tmp_path: Path) -> None:
    file = tmp_path / "sums.txt"
    sums = sorted(f"{digest(str(number))}:{number}" for number in range(50_000))
    file.write_text("\r\n".join(sums) + "\r\n")
    assert all(is_listed(file, str(number)) for number in range(0, 50_000, 997))
    assert not any(is_listed(file, f"x{number}") for number in range(100))


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        is_listed(tmp_path / "none", "x")
