# SPDX-License-Identifier: Apache-2.0
"""Chat messages as mail: literal examples, and whatever the text, a message that can be read back."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats import chat_message, mime

SENT = 1_700_000_000_000_000  # 2023-11-14 22:13:20 UTC
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from("\n >\t"))


def stanza(
    inner: str, *, sender: str = "petrova@digital.example/home", kind: str = "chat", id_: str = "m1"
) -> bytes:
    return (
        f"<message xmlns='jabber:client' from={quoteattr(sender)} to='ivanov@digital.example'"
        f" id={quoteattr(id_)} type='{kind}'>{inner}</message>"
    ).encode()


def made(inner: str, **attributes: str) -> bytes:
    found = chat_message.render(5, 1234, SENT, stanza(inner, **attributes))
    assert found is not None
    return found


def parsed(data: bytes) -> EmailMessage:
    found = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_the_form() -> None:
    """Never to change: items in the store are known by these octets."""
    assert made("<body>Hello, Ivan</body>") == (
        b"From: <petrova@digital.example>\r\n"
        b"To: <ivanov@digital.example>\r\n"
        b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
        b"Message-ID: <m1@digital.example>\r\n"
        b"Subject: Hello, Ivan\r\n"
        b"XMPP-Archive-ID: 5.1234\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8; format=flowed\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"Hello, Ivan\r\n"
    )


def test_the_form_of_what_has_a_link() -> None:
    inner = "<body>see</body><x xmlns='jabber:x:oob'><url>https://digital.example/a.png</url></x>"
    assert made(inner).partition(b"MIME-Version: 1.0\r\n")[2] == (
        b'Content-Type: multipart/mixed; boundary="=_chat_4d2"\r\n'
        b"\r\n"
        b"--=_chat_4d2\r\n"
        b"Content-Type: text/plain; charset=utf-8; format=flowed\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"see\r\n"
        b"--=_chat_4d2\r\n"
        b"Content-Type: text/uri-list; charset=us-ascii\r\n"
        b"Content-Disposition: attachment; filename=link.uri\r\n"
        b"\r\n"
        b"https://digital.example/a.png\r\n"
        b"--=_chat_4d2--\r\n"
    )


def test_a_room() -> None:
    found = parsed(made("<body>да</body>", sender="team@conference.digital.example/Анна П", kind="groupchat"))
    assert found["From"] == "Анна П <team@conference.digital.example>"
    assert found["To"] == "team@conference.digital.example"
    assert found["Subject"] == "да"
    assert found.get_content() == "да\r\n"


def test_long_paragraphs_flow() -> None:
    text = ("word " * 40).strip() + "\n> quoted\nFrom me\n -- "
    body = made(f"<body>{escape(text)}</body>").partition(b"\r\n\r\n")[2].decode()
    lines = body.split("\r\n")
    assert all(len(line) <= 78 for line in lines)
    assert lines[:2] == ["word " * 15, "word " * 15]
    assert lines[3:] == [" > quoted", " From me", "  --", ""]


def test_a_line_that_cannot_be_broken_is_encoded() -> None:
    found = parsed(made(f"<body>{'x' * 5000}</body>"))
    assert found["Content-Transfer-Encoding"] == "base64"
    assert found.get_content().strip() == "x" * 5000


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<received xmlns='urn:xmpp:receipts' id='1'/>",
        "<body/>",
        "<body xmlns='other'>text</body>",
        "<body>not closed",
        "<retracted xmlns='urn:xmpp:message-retract:1'/>",
    ],
)
def test_what_says_nothing(inner: str) -> None:
    assert chat_message.render(5, 1234, SENT, stanza(inner)) is None


@pytest.mark.parametrize(
    ("id_", "expected"),
    [("a.b-1", "<a.b-1@digital.example>"), ("a b", None), ("<>@", None), ("", "<1234@digital.example>")],
)
def test_message_ids(id_: str, expected: str | None) -> None:
    found = str(parsed(made("<body>text</body>", id_=id_))["Message-ID"])
    assert found == expected or (expected is None and len(found) == 2 + 32 + 1 + len("digital.example"))


def test_an_answer_names_what_it_answers() -> None:
    reply = "<reply xmlns='urn:xmpp:reply:0' to='ivanov@digital.example/x' id='q1'/><body>yes</body>"
    assert parsed(made(reply))["In-Reply-To"] == "<q1@digital.example>"
    assert parsed(made(reply, kind="groupchat"))["In-Reply-To"] is None


def test_addresses_that_are_no_dot_atoms() -> None:
    found = made("<body>text</body>", sender='a\\20"b@digital.example/x')
    assert b'From: <"a\\\\20\\"b"@digital.example>\r\n' in found


def test_links_that_are_none_are_left_out() -> None:
    inner = "<body>x</body><x xmlns='jabber:x:oob'><url>two words\nSubject: no</url></x>"
    assert b"multipart" not in made(inner)


@given(TEXT, TEXT, st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40))
def test_any_text_can_be_read_back(text: str, subject: str, nick: str) -> None:
    inner = f"<subject>{escape(subject)}</subject><body>{escape(text)}</body>"
    data = chat_message.render(5, 1234, SENT, stanza(inner, sender=f"r@c.example/{nick}", kind="groupchat"))
    if data is None:
        return
    head, _, body = data.partition(b"\r\n\r\n")
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    assert b"\r" not in data.replace(b"\r\n", b"")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line.startswith(b" ")]
    assert names[:7] == [
        b"From", b"To", b"Date", b"Message-ID", b"Subject", b"XMPP-Archive-ID", b"MIME-Version"
    ]  # fmt: skip
    index = mime.index(data)
    assert index.header_size == len(head) + 4
    assert "".join(parsed(data).get_content().split()) == "".join(text.split()) or b" " in body
