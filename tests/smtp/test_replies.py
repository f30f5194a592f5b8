# SPDX-License-Identifier: Apache-2.0
"""smtp/replies.py: RFC 5321 §4.2, RFC 2034."""

from __future__ import annotations

import re

from armgs_server.smtp import replies
from armgs_server.smtp.replies import Reply, reply

CONSTANTS = {name: value for name, value in vars(replies).items() if isinstance(value, Reply)}


def test_every_constant_has_its_code_in_its_name() -> None:
    assert CONSTANTS
    for name, constant in CONSTANTS.items():
        assert name.endswith(f"_{constant.code}"), name


def test_enhanced_codes_agree_with_the_codes() -> None:
    """RFC 2034 §4: the class of the enhanced code is the first digit; none on 3xx."""
    for name, constant in CONSTANTS.items():
        if constant.code < 300 or constant.code >= 400:
            assert re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", constant.enhanced), name
            assert constant.enhanced[0] == str(constant.code)[0], name
        else:
            assert constant.enhanced == "", name


def test_lines_are_short_and_whole() -> None:
    """RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets."""
    for name, constant in CONSTANTS.items():
        for line in constant.wire.splitlines(keepends=True):
            assert line.endswith(b"\r\n") and len(line) <= 512, name


def test_many_lines() -> None:
    made = reply(250, "", "first", "second")
    assert made.wire == b"250-first\r\n250 second\r\n"
    assert made.is_positive and not reply(451, "4.3.0", "x").is_positive


def test_no_text_breaks_out_of_its_line() -> None:
    assert reply(550, "5.1.1", "a\r\n250 OK").wire == b"550 5.1.1 a  250 OK\r\n"
    assert replies.NO_SUCH_USER_550.with_text("x").wire == b"550 5.1.1 x\r\n"
