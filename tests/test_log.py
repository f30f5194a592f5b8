# SPDX-License-Identifier: Apache-2.0
"""Log lines, and a trace that shows the conversation but no credential."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server import log


class Lines(logging.Handler):
    """Keeps the formatted lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(log.Formatter(journal=True))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> list[str]:
    handler = Lines()
    logger = logging.getLogger("armgs_server")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel("DEBUG")
    yield handler.lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_fields_are_named_and_quoted_where_needed(lines: list[str]) -> None:
    log.get("smtp").info("message taken", size=5120, sender="a@b.example", note='say "x"\nand more', empty="")
    assert lines == [
        '<6>level=info logger=smtp event="message taken" size=5120 sender=a@b.example '
        'note="say \\"x\\"\\nand more" empty=""'
    ]


def test_a_field_named_for_a_secret_is_never_written(lines: list[str]) -> None:
    log.get("x").warning("odd", password="hunter2", app_token="t0k", authorization="Basic abc")
    assert lines == ["<4>level=warning logger=x event=odd password=*** app_token=*** authorization=***"]


def test_exception_keeps_one_line(lines: list[str]) -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        log.get("x").exception("failed")
    assert len(lines) == 1
    assert "\n" not in lines[0] and "ValueError: first\\nsecond" in lines[0]


CONVERSATIONS = [
    (b"a1 LOGIN ivanov@digital.example SECRET\r\n", "a1 LOGIN ***"),
    (b'a1 login "ivanov" "SEC RET"\r\n', "a1 login ***"),
    (b"a1 LOGIN {6}\r\nivanov {6}\r\nSECRET\r\n", "a1 LOGIN ***"),
    (b"a1 AUTHENTICATE PLAIN SECRET\r\n", "a1 AUTHENTICATE PLAIN ***"),
    (b"AUTH PLAIN SECRET\r\n", "AUTH PLAIN ***"),
    (b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>SECRET</auth>", "***</auth>"),
    (b"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>SECRET</response>", "***</response>"),
    (b"<password>SECRET</password>", "***</password>"),
    (b"Authorization: Basic SECRET\r\n", "Authorization: Basic ***"),
    (b"Cookie: session=SECRET\r\n", "Cookie: ***"),
]


@pytest.mark.parametrize(("data", "shown"), CONVERSATIONS)
def test_credentials_are_masked_however_they_are_cut(lines: list[str], data: bytes, shown: str) -> None:
    for size in (len(data), 1, 3, 7):
        lines.clear()
        trace = log.Trace("imap", "1f")
        for start in range(0, len(data), size):
            trace.received(data[start : start + size])
        trace.received(b"a2 NOOP\r\n")
        text = "\n".join(lines)
        assert "SECRET" not in text and "SEC RET" not in text
        assert shown in text
        assert "a2 NOOP" in text


@given(st.integers(min_value=1, max_value=9000), st.integers(min_value=1, max_value=5000))
def test_a_long_credential_is_masked_too(length: int, size: int) -> None:
    handler = Lines()
    logger = logging.getLogger("armgs_server.trace")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    trace = log.Trace("smtp", "1")
    data = b"AUTH PLAIN " + b"S" * length + b"\r\n"
    for start in range(0, len(data), size):
        trace.received(data[start : start + size])
    logger.removeHandler(handler)
    logger.setLevel("NOTSET")
    assert "SS" not in "".join(handler.lines)


def test_an_exchange_that_does_not_wait_is_masked(lines: list[str]) -> None:
    trace = log.Trace("smtp", "1")
    trace.received(b"EHLO x\r\nAUTH LOGIN\r\nSECRET\r\nSECRET\r\n")
    trace.received(b"a1 authenticate plain\r\nSECRET")
    trace.received(b"NOOP\r\n")
    text = "".join(lines)
    assert "SECRET" not in text
    assert "EHLO x" in text and "AUTH LOGIN" in text and "NOOP" in text


def test_conversation_with_marks(lines: list[str]) -> None:
    trace = log.Trace("imap", "1f")
    trace.received(b"a1 NOOP\r\n")
    trace.sent(b"a1 OK done\r\n")
    trace.state("TLSv1.3")
    trace.error("silent for too long")
    trace.concealed = True
    trace.received(b"dXNlcgBwYXNz\r\n")
    trace.sent(b"+ challenge\r\n")
    trace.concealed = False
    trace.sent(b"x" * 1000)
    assert [line.partition("event=")[2].replace(" service=imap connection=1f", "") for line in lines] == [
        '< data="a1 NOOP"',
        '> data="a1 OK done"',
        '"=" data=TLSv1.3',
        '! data="silent for too long"',
        "< data=***",
        "> data=***",
        "> data=" + "x" * 400 + "…",
    ]
