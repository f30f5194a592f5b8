# SPDX-License-Identifier: Apache-2.0
"""What rspamd may answer, and what is made of it. The real one is asked in tests/peers/test_filters.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats import mime
from armgs_server.trust.model import Arrival, Refusal
from armgs_server.trust.rspamd import parse_answer


def arrival(text: bytes, sender: str = "bob@other.example") -> Arrival:
    return Arrival(
        id="1a",
        peer="192.0.2.1",
        helo="mx.other.example",
        is_tls=True,
        sender=sender,
        recipients=("ivanov@digital.example",),
        text=text,
        header_size=mime.header_end(text, 0, len(text)),
    )


def answer(**values: Any) -> bytes:
    return json.dumps({"action": "no action", "score": 1.5, "required_score": 15} | values).encode()


@pytest.mark.parametrize(
    ("action", "is_junk", "code"),
    [
        ("no action", False, 0),
        ("greylist", False, 0),
        ("add header", True, 0),
        ("rewrite subject", True, 0),
        ("quarantine", True, 0),
        ("soft reject", False, 451),
        ("reject", False, 550),
        ("discard", False, 550),
    ],
)
def test_actions(action: str, is_junk: bool, code: int) -> None:
    opinion = parse_answer(answer(action=action))
    assert opinion.is_junk is is_junk
    assert (opinion.refusal.code if opinion.refusal else 0) == code


def test_fields() -> None:
    symbols = {"A_RULE": {"score": 0.5}, "OTHER": {"score": -3}, "odd\r\nBcc: x": {"score": 0}, "NONE": 3}
    opinion = parse_answer(answer(symbols=symbols))
    assert opinion.fields == (
        b"X-Spam-Score: 1.50 / 15.00\r\n"
        b"X-Spamd-Result: no action; OTHER(-3.00)\r\n\tA_RULE(0.50)\r\n\tB(0.00)\r\n"
    )


def test_its_words_are_told_to_the_sender() -> None:
    opinion = parse_answer(answer(action="soft reject", messages={"smtp_message": "Greylisted\r\n250 OK"}))
    assert opinion.refusal == Refusal(451, "4.7.1", "Greylisted\r\n250 OK")  # made one line by the reply


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"action": "dance"}', b"null", b"[" * 100_000])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(Invalid):
        parse_answer(body)


@given(
    st.dictionaries(
        st.sampled_from(["action", "score", "required_score", "symbols", "messages"]),
        st.none() | st.integers() | st.text() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()),
    )
)
def test_any_answer_is_understood_or_refused(values: dict[str, Any]) -> None:
    try:
        opinion = parse_answer(json.dumps({"action": "add header"} | values).encode())
    except Invalid:
        return
    lines = opinion.fields.decode().split("\r\n")
    assert all(line.startswith(("X-Spam", "\t")) or not line for line in lines)
