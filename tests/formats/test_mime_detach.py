# SPDX-License-Identifier: Apache-2.0
"""Attachments are found, decoded and taken out; every other octet stays."""

from __future__ import annotations

import base64
import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats import mime, mime_detach
from armgs_server.formats.mime_detach import Attachment

DATA = bytes(range(256)) * 40


def message(*names: str, size: int = len(DATA)) -> bytes:
    """A text with attachments, as Python's library writes it."""
    made = EmailMessage(policy=email.policy.SMTP)
    made["Subject"] = "x"
    made.set_content("the text\n")
    made.add_alternative("<p>the text</p>", subtype="html")
    for name in names:
        made.add_attachment(DATA[:size], maintype="application", subtype="pdf", filename=name)
    made.add_attachment("small\n", filename="small.txt")
    return made.as_bytes()


def find(data: bytes, least: int = 1000) -> list[Attachment]:
    index = mime.index(data)
    return mime_detach.find(data, mime.unpack(index.parts, index.header_size, len(data)), least)


def splice(data: bytes, text: str = "links") -> bytes:
    pieces = mime_detach.spliced(find(data), len(data), text)
    return b"".join(piece if isinstance(piece, bytes) else data[slice(*piece)] for piece in pieces)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_attachments_become_a_text(count: int) -> None:
    names = [f"отчёт {number}.pdf" for number in range(count)]
    data = message(*names)
    found = find(data)
    assert [(each.name, each.content_type) for each in found] == [(name, "application/pdf") for name in names]
    assert [b"".join(mime_detach.octets(data, each)) for each in found] == [DATA] * count
    assert all(abs(each.size - len(DATA)) < len(DATA) // 20 for each in found)
    parts = list(email.message_from_bytes(splice(data), policy=email.policy.default).iter_parts())
    assert [part.get_content_type() for part in parts] == [
        "multipart/alternative",
        "text/plain",
        "text/plain",
    ]
    assert parts[1].get_content() == "links"  # type: ignore[attr-defined]
    assert parts[2].get_filename() == "small.txt"
    boundary = data.partition(b'boundary="')[2].partition(b'"')[0]
    before = data.index(b"--" + boundary + b"\r\n", data.index(b"</p>"))
    assert splice(data).startswith(data[:before])
    assert splice(data).endswith(data[data.rindex(b"--" + boundary + b"\r\n") :])


def test_what_stays() -> None:
    assert find(message()) == []
    assert find(message("a.pdf", size=500)) == []
    signed = message("a.pdf").replace(b"multipart/mixed", b"multipart/signed")
    assert find(signed) == []
    assert find(b"Subject: x\r\n\r\ntext\r\n") == []
    inline = message("a.pdf").replace(b"Content-Disposition: attachment", b"Content-Disposition: inline")
    assert find(inline) == []
    quoted = message("a.pdf").replace(b"Encoding: base64", b"Encoding: quoted-printable")
    assert find(quoted) == []


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (b'Content-Disposition: attachment; filename="a b.pdf"', "a b.pdf"),
        (b"Content-Disposition: attachment; filename*=UTF-8''%D0%B0.pdf", "а.pdf"),
        (b"Content-Disposition: attachment; filename*=koi8-r''%C1.pdf", "а.pdf"),
        (
            b"Content-Disposition: attachment; filename*0*=UTF-8''%D0%B0; filename*1*=%D0%B1;"
            b" filename*2*=.pdf",
            "аб.pdf",
        ),
        (b'Content-Disposition: attachment; filename*0="a"; filename*1="b.pdf"', "ab.pdf"),
        (b'Content-Disposition: attachment; filename="=?utf-8?b?0LA=?=.pdf"', "а.pdf"),
        (b'Content-Type: application/pdf; name="c.pdf"', "c.pdf"),
        (b'Content-Disposition: attachment; filename="../../etc/passwd"', "passwd"),
        (b'Content-Disposition: attachment; filename="C:\\\\x\\\\y.pdf"', "y.pdf"),
        (b'Content-Disposition: attachment; filename=".."', "attachment"),
        (b"Content-Disposition: attachment", "attachment"),
    ],
)
def test_names(fields: bytes, name: str) -> None:
    body = base64.encodebytes(DATA).replace(b"\n", b"\r\n")
    data = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + fields + b"\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + body + b"--b--\r\n"
    )
    assert [each.name for each in find(data)] == [name]


@pytest.mark.parametrize("body", [b"A" * 2001, b"====" * 600, b"A*" * 1200, b"QQ==" * 600])
def test_what_is_no_base64(body: bytes) -> None:
    data = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + body + b"\r\n--b--\r\n"
    )
    [found] = find(data)
    with pytest.raises(Invalid):
        b"".join(mime_detach.octets(data, found))


def test_octets_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    data = message("a.pdf")
    [found] = find(data)
    for size in (1, 3, 77, 78, 1000):
        monkeypatch.setattr(mime_detach, "CHUNK", size)
        assert b"".join(mime_detach.octets(data, found)) == DATA


def test_a_part_that_is_not_encoded() -> None:
    data = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment\r\n\r\n"
        + b"x" * 3000
        + b"\r\n--b--\r\n"
    )
    [found] = find(data)
    assert b"".join(mime_detach.octets(data, found)) == b"x" * 3000
    assert splice(data).endswith(b"bGlua3M=\r\n--b--\r\n")


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 400))
def test_whatever_the_bytes(noise: bytes, start: int, end: int) -> None:
    data = message("a.pdf", size=100)
    data = data[:start] + noise + data[end:]
    found = find(data, least=1)
    for each in found:
        try:
            assert isinstance(b"".join(mime_detach.octets(data, each)), bytes)
        except Invalid:
            continue
    if found:
        pieces = mime_detach.spliced(found, len(data), "links")
        ranges = [piece for piece in pieces if not isinstance(piece, bytes)]
        assert all(begin <= stop for begin, stop in ranges)
        flat = [offset for piece in ranges for offset in piece]
        assert flat == sorted(flat)
