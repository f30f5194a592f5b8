# SPDX-License-Identifier: Apache-2.0
"""Messages written for the tests, one for each thing that real mail does, and often does wrong."""

from __future__ import annotations

from pathlib import Path

# Real-world mail beside the repository, where it is there.
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "mail"


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("utf-8")


HEAD = "From: Ann <ann@x.example>\nTo: bob@y.example\nSubject: Hello\nDate: Mon, 1 Jan 2024 10:00:00 +0300\n"
PLAIN = crlf(HEAD + "Message-ID: <1@x.example>\n\nFirst line\nSecond line\n")
MIXED = crlf(
    HEAD
    + """\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

preamble
--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

=D0=9F=D1=80=D0=B8=D0=B2=D0=B5=D1=82
--inner
Content-Type: text/html

<p>Hel<b>lo</b></p>
--inner--
--outer
Content-Type: message/rfc822
Content-Disposition: attachment

From: Carl <carl@z.example>
Subject: Inner
Content-Type: multipart/mixed; boundary=deep

--deep

deep one
--deep
Content-Type: application/pdf; name=a.pdf
Content-Transfer-Encoding: base64

QUJD
--deep--
--outer
Content-Type: text/plain
Content-Transfer-Encoding: base64

0JrQvtC90LXRhg==
--outer--
epilogue
"""
)
MULTI = b"Content-Type: multipart/x; boundary=x\r\n\r\n"
BROKEN = {
    "empty": b"",
    "only an empty line": b"\r\n",
    "only a header": b"Subject: x",
    "no header": b"\r\nbody\r\n",
    "bare line feeds": PLAIN.replace(b"\r\n", b"\n"),
    "bare carriage returns": PLAIN.replace(b"\r\n", b"\r"),
    "NUL in header and body": b"Subject: a\0b\r\n\r\nc\0d\r\n",
    "raw 8-bit in the header": "Subject: Привет\r\nFrom: Анна <a@x.example>\r\n\r\nx".encode("koi8-r"),
    "raw UTF-8 in the header": crlf("Subject: Привет\nFrom: Анна <a@x.example>\n\nx"),
    "mbox line in front": b"From ann Mon Jan 1 00:00:00 2024\r\n" + PLAIN,
    "unknown charset": b"Subject: =?x-nowhere?Q?=FF?=\r\n\r\nx",
    "encoded word cut short": b"Subject: =?utf-8?B?0J/R\r\n\r\nx",
    "empty transfer encoding": b"Content-Type: text/plain\r\nContent-Transfer-Encoding:\r\n\r\nx",
    "wrong transfer encoding": b"Content-Transfer-Encoding: 8-bits; really\r\n\r\nx",
    "wrong content type": b"Content-Type: nonsense\r\n\r\nx",
    "two content types": b"Content-Type: text/html\r\nContent-Type: text/plain\r\n\r\nx",
    "multipart without boundary": b"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\ny\r\n--x--\r\n",
    "multipart whose boundary never occurs": b"Content-Type: multipart/mixed; boundary=x\r\n\r\ny\r\n",
    "multipart with only a close-delimiter": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x--\r\n",
    "multipart that is never closed": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\ny",
    "delimiter as the last bytes": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x",
    "adjacent delimiters": b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x\r\n--x--\r\n",
    "similar boundaries": (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=b1"
        b"\r\n\r\n--b1\r\n\r\none\r\n--b1\r\n\r\ntwo\r\n--b1--\r\n--b\r\n\r\nthree\r\n--b--\r\n"
    ),
    "the same boundary within": (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=b"
        b"\r\n\r\n--b\r\n\r\none\r\n--b--\r\n"
    ),
    "white space behind delimiters": MULTI + b"--x \t\r\n\r\ny\r\n--x-- \r\n",
    "illegal boundary characters": (
        b'Content-Type: multipart/x; boundary="a@b c"\r\n\r\n--a@b c\r\n\r\ny\r\n--a@b c--'
    ),
    "digest": (
        b"Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\n\r\nSubject: s\r\n\r\ny\r\n--x--\r\n"
    ),
    "message without header within": b"Content-Type: message/rfc822\r\n\r\n",
    "message in base64": b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3Vi\r\n",
    "date that is none": b"Date: yesterday\r\n\r\nx",
    "groups": b"To: A: a@x.example, b@x.example;, Nobody:;\r\n\r\nx",
    "two at signs": b"From: Ann <ann@home@x.example>\r\n\r\nx",
    "very long line": b"Subject: " + b"x" * 100_000 + b"\r\n\r\n" + b"y" * 100_000,
    "deep nesting": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(200)
    ),
    "messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 200,
    "many parts": b"Content-Type: multipart/x; boundary=x\r\n\r\n"
    + b"--x\r\n\r\ny\r\n" * 3000
    + b"--x--\r\n",
}
