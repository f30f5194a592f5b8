# SPDX-License-Identifier: Apache-2.0
"""Messages by offset: RFC 5322, RFC 2045, RFC 2046; whatever the bytes are, an index comes out."""

from __future__ import annotations

import mmap
import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats import mime
from armgs_server.formats.mime import Kind, Part, index, unpack
from tests.formats.mail_samples import BROKEN, MIXED, PLAIN, SHARED


def tree(data: bytes) -> Part:
    found = index(data)
    return unpack(found.parts, found.header_size, len(data))


def check(data: bytes) -> None:
    """What must hold of every index: offsets in order and within, texts that can be stored, wire syntax."""
    found = index(data)
    root = unpack(found.parts, found.header_size, len(data))
    assert (root.start, root.body, root.end) == (0, found.header_size, len(data))
    _check_part(root, data)
    for text in (
        found.subject,
        found.sender,
        found.recipients,
        found.cc,
        found.bcc,
        found.message_id,
        found.refs,
    ):
        assert "\0" not in text
        assert text.encode("utf-8").decode("utf-8") == text
        assert len(text) <= mime.MAX_COLUMN
    for wire in (found.envelope, found.body, found.bodystructure):
        assert _reads(wire), wire[:500]


def _check_part(part: Part, data: bytes) -> None:
    assert 0 <= part.start <= part.body <= part.end <= len(data)
    assert bool(part.children) == (part.kind is not Kind.LEAF)
    for child in part.children:
        assert part.body <= child.start and child.end <= part.end
        _check_part(child, data)


_ITEM = re.compile(rb'NIL|[0-9]+|"(?:[^"\\\r\n\x80-\xff]|\\["\\])*"|[ ()]|\{([0-9]+)\}\r\n')


def _reads(wire: bytes) -> bool:
    """Whether a client can read it: strings, literals, numbers, NIL, and balanced parentheses."""
    position = depth = 0
    while position < len(wire):
        found = _ITEM.match(wire, position)
        if found is None:
            return False
        position = found.end() + int(found[1] or 0)
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
        if depth < 0:
            return False
    return depth == 0 and wire.startswith(b"(")


def test_a_plain_message() -> None:
    found = index(PLAIN)
    assert found.header_size == PLAIN.index(b"First")
    assert found.parts == b""
    assert found.subject == "Hello"
    assert found.sender == "Ann <ann@x.example>"
    assert found.recipients == "bob@y.example"
    assert found.message_id == "<1@x.example>"
    assert found.sent == 1704092400_000000
    assert found.body == b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 25 2)'
    assert (
        found.bodystructure == b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 25 2 NIL NIL NIL NIL)'
    )


def test_a_message_with_all_kinds_of_parts() -> None:
    found = index(MIXED)
    text = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 8 0)'
    pdf = b'("application" "pdf" ("name" "a.pdf") NIL NIL "base64" 4)'
    carl = b'(("Carl" NIL "carl" "z.example"))'
    inner_envelope = b'(NIL "Inner" %b %b %b NIL NIL NIL NIL NIL)' % (carl, carl, carl)
    message = re.search(rb'\("message" "rfc822" NIL NIL NIL "7bit" ([0-9]+) ', found.body)
    assert message is not None
    assert found.body == (
        b'((("text" "plain" ("charset" "utf-8") NIL NIL "quoted-printable" 36 0)'
        b'("text" "html" NIL NIL NIL "7bit" 19 0) "alternative")'
        b'("message" "rfc822" NIL NIL NIL "7bit" %b %b (%b%b "mixed") 12)'
        b'("text" "plain" NIL NIL NIL "base64" 16 0) "mixed")'
    ) % (message[1], inner_envelope, text, pdf)


def test_parts_by_offset() -> None:
    root = tree(MIXED)
    alternative, message, last = root.children
    assert [MIXED[part.body : part.end] for part in alternative.children] == [
        b"=D0=9F=D1=80=D0=B8=D0=B2=D0=B5=D1=82",
        b"<p>Hel<b>lo</b></p>",
    ]
    inner = message.children[0]
    assert MIXED[inner.start : inner.body].startswith(b"From: Carl")
    assert [MIXED[part.body : part.end] for part in inner.children] == [b"deep one", b"QUJD"]
    assert MIXED[last.body : last.end] == b"0JrQvtC90LXRhg=="


def test_references_come_before_in_reply_to_and_once() -> None:
    data = b"References: <a@x> <b@x>\r\n <a@x>\r\nIn-Reply-To: junk <c@x> <b@x>\r\n\r\n"
    assert index(data).refs == "<a@x> <b@x> <c@x>"


def test_columns_are_decoded() -> None:
    data = b"Subject: =?utf-8?B?0J/RgNC40LLQtdGC?=\r\nCc: =?koi8-r?Q?=E1=CE=CE=C1?= <a@x>\r\nBcc: b@x\r\n\r\n"
    found = index(data)
    assert (found.subject, found.cc, found.bcc) == ("Привет", "Анна <a@x>", "b@x")


@pytest.mark.parametrize("name", BROKEN)
def test_broken_mail_has_an_index(name: str) -> None:
    check(BROKEN[name])


def test_a_boundary_that_begins_another_does_not_end_it() -> None:
    data = BROKEN["similar boundaries"]
    inner, three = tree(data).children
    assert [data[part.body : part.end] for part in (*inner.children, three)] == [b"one", b"two", b"three"]


def test_adjacent_delimiters_are_empty_parts() -> None:
    data = BROKEN["adjacent delimiters"]
    assert [(part.body, part.end) for part in tree(data).children] == [(50, 50), (55, 55)]


@pytest.mark.parametrize(
    "name",
    [
        "multipart without boundary",
        "multipart whose boundary never occurs",
        "multipart with only a close-delimiter",
    ],
)
def test_a_multipart_without_parts_is_shown_as_text(name: str) -> None:
    assert index(BROKEN[name]).body.startswith(b'("text" "plain"')


def test_parts_of_a_digest_are_messages() -> None:
    assert b'("message" "rfc822" NIL NIL NIL "7bit" 15 (NIL "s"' in index(BROKEN["digest"]).body


def test_structure_is_bounded() -> None:
    assert _depth(tree(BROKEN["deep nesting"])) <= mime.MAX_DEPTH + 1
    assert _depth(tree(BROKEN["messages in messages"])) <= mime.MAX_DEPTH + 1
    many = tree(BROKEN["many parts"])
    assert len(many.children) == mime.MAX_PARTS
    assert many.children[-1].end > many.children[-1].body + 1000  # what is beyond lies in the last part


def _depth(part: Part) -> int:
    return 1 + max((_depth(child) for child in part.children), default=0)


def test_a_mapped_file_gives_the_same(tmp_path: Path) -> None:
    for data in (PLAIN, MIXED):
        path = tmp_path / "message"
        path.write_bytes(data)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert index(mapped) == index(data)


def test_a_large_message_takes_no_long_time() -> None:
    data = PLAIN + b"x" * 70 + b"\r\n" * 5_000_000
    nested = BROKEN["deep nesting"] + b"y" * 2_000_000 + b"\r\n--b" * 100_000
    begun = time.process_time()
    index(data)
    index(nested)
    assert time.process_time() - begun < 5


@given(st.binary(max_size=400))
def test_any_bytes_have_an_index(data: bytes) -> None:
    check(data)


_PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"--b",
    b"--b--",
    b"--c",
    b" ",
    b"\t",
    b"Content-Type: ",
    b"multipart/mixed; boundary=b",
    b"multipart/digest; boundary=c",
    b"message/rfc822",
    b"text/plain",
    b"Subject: ",
    b"From: ",
    b"\xff",
    b"\0",
    b"=?utf-8?B?",
    b"?=",
    b'"',
    b"(",
    b"<a@b>",
    b";",
    b"x",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=60))
def test_any_pieces_of_mail_have_an_index(pieces: list[bytes]) -> None:
    check(b"".join(pieces))


def test_mutations_of_mail_have_an_index() -> None:
    chance = random.Random(1)
    samples = [PLAIN, MIXED, *(data[:4000] for data in BROKEN.values())]
    for _ in range(1500):
        data = bytearray(chance.choice(samples))
        for _ in range(chance.randrange(1, 12)):
            at = chance.randrange(len(data) + 1)
            if chance.random() < 0.4:
                del data[at : at + chance.randrange(12)]
            else:
                data[at:at] = chance.choice(_PIECES)
        check(bytes(data))


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real mail at {SHARED}")
def test_real_mail_has_an_index() -> None:
    files = sorted(path for path in SHARED.rglob("*") if path.is_file() and path.name != "LICENSE")
    assert len(files) > 90
    for path in files:
        check(path.read_bytes())


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real mail at {SHARED}")
def test_ten_thousand_mutations_of_real_mail_have_an_index() -> None:
    chance = random.Random(2)
    samples = [path.read_bytes()[:8000] for path in sorted(SHARED.rglob("*.eml"))]
    assert len(samples) > 90
    for number in range(10_000):
        data = bytearray(samples[number % len(samples)])
        for _ in range(chance.randrange(1, 12)):
            at = chance.randrange(len(data) + 1)
            kind = chance.random()
            if kind < 0.3:
                del data[at : at + chance.randrange(40)]
            elif kind < 0.6:
                data[at:at] = chance.choice(_PIECES)
            elif kind < 0.8:
                data[at : at + 1] = bytes([chance.randrange(256)])
            else:  # a piece of it comes twice, somewhere else
                start = chance.randrange(len(data) + 1)
                data[at:at] = data[start : start + chance.randrange(200)]
        check(bytes(data))
