# SPDX-License-Identifier: Apache-2.0
"""Tests of the language with their answers, for one message: what we say, and what Pigeonhole says, too."""

from __future__ import annotations

from typing import Final

SENDER: Final = "author+list@sender.example"
RECIPIENT: Final = "petrova+work@digital.example"
LETTER: Final = "\r\n".join(
    [
        "Return-Path: <author+list@sender.example>",
        "Received: from b.example by c.example; Sat, 21 Nov 2026 23:30:00 +0300",
        "Received: from a.example by b.example; Sat, 21 Nov 2026 23:10:00 +0300",
        "Date: Sat, 21 Nov 2026 23:00:00 +0300",
        'From: "Author, A." <Author+List@sender.example>',
        "To: petrova+work@digital.example, Second Person <second@other.example>",
        "Cc: group: third@other.example, fourth@another.example;",
        "Subject: =?utf-8?b?0J/RgNC40LLQtdGCINC80LjRgA==?= and *stars* [tag] 42",
        "X-Number: 17 apples",
        "X-Empty:",
        "X-Folded: one",
        "\ttwo",
        "X-Many: first",
        "X-Many: second",
        "X-Many: third",
        "Message-ID: <1@sender.example>",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="=outer"',
        "",
        "A preamble nobody reads.",
        "--=outer",
        'Content-Type: multipart/alternative; boundary="=inner"',
        "",
        "--=inner",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: base64",
        "",
        "0JTQvtCx0YDRi9C5INC00LXQvdGMLCBwcm9qZWN0",  # Добрый день, project
        "--=inner",
        "Content-Type: text/html; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "<p>Good <b>mor</b>ning =3D 1</p>",
        "--=inner--",
        "--=outer",
        "Content-Type: application/pdf; name=report.pdf",
        "Content-Disposition: attachment; filename=report.pdf",
        "Content-Transfer-Encoding: base64",
        "",
        "JVBERi0xLjQ=",
        "--=outer--",
        "",
    ]
)

# What both know. Each test is true or false.
COMMON: Final[tuple[tuple[bool, str], ...]] = (
    # RFC 5228 §2.7: match types and comparators
    (True, 'header :is "x-number" "17 apples"'),
    (True, 'header :is "X-NUMBER" "17 APPLES"'),
    (False, 'header :comparator "i;octet" :is "x-number" "17 APPLES"'),
    (True, 'header :contains "x-number" "app"'),
    (True, 'header :contains "x-number" ""'),
    (False, 'header :contains "x-missing" ""'),
    (True, 'header :is "x-empty" ""'),
    (True, 'header :matches "x-number" "??*s"'),
    (False, 'header :matches "x-number" "?s"'),
    (True, r'header :matches "subject" "*\\*stars\\**"'),
    (False, r'header :matches "x-number" "17\\*"'),
    (True, 'header :contains "subject" "Привет мир"'),
    (True, 'header :is "x-folded" "one two"'),
    (True, 'header :is ["x-missing", "x-many"] ["nothing", "third"]'),
    (False, 'header :is "x-many" "second third"'),
    (True, 'header :comparator "i;ascii-numeric" :is "x-number" "17"'),
    (False, 'header :comparator "i;ascii-numeric" :is "x-number" "18"'),
    (True, 'header :comparator "i;ascii-numeric" :is "x-folded" "letters are all one"'),
    # RFC 5228 §5
    (True, 'exists ["from", "to", "x-empty"]'),
    (False, 'exists ["from", "x-missing"]'),
    (True, "size :over 100"),
    (False, "size :under 100"),
    (True, "size :under 1M"),
    (True, "not false"),
    (False, "allof (true, false)"),
    (True, "anyof (false, true)"),
    (False, "anyof (false, not true)"),
    # RFC 5228 §5.1, §5.4, RFC 5233
    (True, 'address :is "from" "author+list@SENDER.example"'),
    (True, 'address :localpart :is "from" "author+list"'),
    (True, 'address :domain :is "from" "sender.example"'),
    (True, 'address :user :is "from" "author"'),
    (True, 'address :detail :is "from" "list"'),
    (False, 'address :detail :is "cc" "third"'),
    (False, 'address :detail :contains "cc" ""'),
    (True, 'address :is "cc" "fourth@another.example"'),
    (True, 'address :domain :is ["to", "cc"] "another.example"'),
    (False, 'address :is "to" "Second Person"'),
    (True, 'envelope :is "from" "author+list@sender.example"'),
    (True, 'envelope :detail :is "to" "work"'),
    (True, 'envelope :domain :is "to" "digital.example"'),
    (False, 'envelope :user :is "to" "petrova+work"'),
    # RFC 5231
    (True, 'header :count "eq" :comparator "i;ascii-numeric" "x-many" "3"'),
    (True, 'header :count "ge" :comparator "i;ascii-numeric" ["x-many", "x-number"] "4"'),
    (False, 'header :count "gt" :comparator "i;ascii-numeric" "x-missing" "0"'),
    (True, 'header :value "gt" :comparator "i;ascii-numeric" "x-number" "9"'),
    (False, 'header :value "gt" :comparator "i;ascii-casemap" "x-number" "9"'),
    (True, 'header :value "lt" "x-many" "second"'),
    (True, 'address :count "eq" :comparator "i;ascii-numeric" ["to", "cc"] "4"'),
    # RFC 5260
    (True, 'date :originalzone "date" "hour" "23"'),
    (True, 'date :zone "+0000" "date" "hour" "20"'),
    (True, 'date :zone "+0500" "date" "date" "2026-11-22"'),
    (True, 'date :originalzone "date" "iso8601" "2026-11-21T23:00:00+03:00"'),
    (True, 'date :originalzone "date" "zone" "+0300"'),
    (True, 'date :originalzone "date" "weekday" "6"'),
    (True, 'date :zone "+0000" "date" "julian" "61365"'),
    (True, 'date :originalzone "received" "minute" "30"'),
    (False, 'date "x-number" "year" "2026"'),
    (True, 'currentdate :value "ge" "year" "2026"'),
    (True, 'header :index 2 :is "x-many" "second"'),
    (True, 'header :index 1 :last :is "x-many" "third"'),
    (False, 'header :index 4 :contains "x-many" ""'),
    # RFC 5173
    (True, 'body :contains "Добрый день"'),
    (True, 'body :text :contains "project"'),
    (True, 'body :raw :contains "preamble"'),
    (True, 'body :raw :contains "0JTQvtCx"'),
    (False, 'body :text :contains "preamble"'),
    (True, 'body :content "text/html" :contains "<b>mor</b>"'),
    (True, 'body :content "application/pdf" :contains "PDF-1.4"'),
    (False, 'body :content "image" :contains ""'),
    (True, 'body :content "text" :contains "= 1"'),
    # RFC 5703 §4
    (True, 'header :mime :anychild :contenttype :is "content-type" "application/pdf"'),
    (True, 'header :mime :anychild :param "filename" :is "content-disposition" "report.pdf"'),
    (True, 'header :mime :type :is "content-type" "multipart"'),
    (True, 'header :mime :anychild :subtype :is "content-type" "html"'),
    (False, 'header :mime :contenttype :is "content-type" "text/html"'),
    (True, 'exists :mime :anychild "content-disposition"'),
    # draft-ietf-sieve-regex
    (True, 'header :regex "subject" "\\\\[[a-z]+\\\\] ([0-9]+)$"'),
    (False, 'header :regex "subject" "^[0-9]"'),
    (True, 'header :regex :comparator "i;ascii-casemap" "x-number" "APPLES"'),
    (False, 'header :regex :comparator "i;octet" "x-number" "APPLES"'),
    # RFC 5229
    (True, 'string :is "${unset}x" "x"'),
    (True, 'string :matches "a-b-c" "*-*"'),
    (True, 'string :is "${1}/${2}" "a/b-c"'),  # of the test before
    (False, 'string :matches "abc" "*x"'),
    (True, 'string :is "${1}/${2}" "a/b-c"'),  # one that failed leaves them alone
    (True, 'string :is "${9}" ""'),
    (True, 'string :is "${2" "${2"'),
    # RFC 5183, RFC 5463, RFC 5435
    (True, 'ihave "fileinto"'),
    (False, 'ihave "no-such-thing"'),
    (True, 'valid_notify_method "mailto:a@b.example"'),
    (False, 'valid_notify_method "carrier-pigeon:a"'),
    # RFC 5228 §2.4.2.4
    (True, 'string :is "${hex:41 42}" "AB"'),
    (True, 'string :is "${unicode:41f}" "П"'),
    (True, 'string :is "${hex:4x}" "${hex:4x}"'),
    # RFC 5490
    (True, 'mailboxexists "INBOX"'),
    (False, 'mailboxexists ["INBOX", "Nowhere"]'),
)

# What only we know, or where we differ on purpose.
OURS: Final[tuple[tuple[bool, str], ...]] = (
    (True, 'date :last :index 1 :originalzone "received" "minute" "10"'),
    (True, 'date :index 2 :originalzone "received" "minute" "10"'),
    (True, 'header :contains :comparator "i;unicode-casemap" "subject" "ПРИВЕТ"'),
    (False, 'header :contains "subject" "ПРИВЕТ"'),
    (True, 'header :matches :comparator "i;unicode-casemap" "subject" "привет*"'),
    (False, 'header :matches "subject" "привет*"'),
    (True, 'body :contains "Good morning"'),  # over tags
    (True, 'environment :is "name" "armgs_server"'),
    (True, 'environment :is "domain" "digital.example"'),
    (True, 'environment :is "location" "MDA"'),
    (False, 'environment :contains "no-such-item" ""'),
    (True, 'notify_method_capability "mailto:a@b.example" "online" "maybe"'),
    (False, 'notify_method_capability "mailto:a@b.example" "colour" "maybe"'),
    (True, 'valid_notify_method "xmpp:a@b.example"'),
    (True, 'valid_ext_list "urn:ietf:params:sieve:addrbook:default"'),
    (False, 'valid_ext_list "tag:example.com,2026:list"'),
    (True, 'address :list "to" "urn:ietf:params:sieve:addrbook:directory"'),
    (False, 'address :list "from" "urn:ietf:params:sieve:addrbook:directory"'),
    (False, 'address :list "from" "urn:ietf:params:sieve:addrbook:default"'),
    (True, 'specialuse_exists "\\\\Junk"'),
    (True, 'specialuse_exists "Trash" "\\\\Trash"'),
    (False, 'specialuse_exists "INBOX" "\\\\Trash"'),
    (False, 'specialuse_exists "\\\\Important"'),
    (True, 'spamtest :is "0"'),
    (True, 'virustest :value "lt" :comparator "i;ascii-numeric" "2"'),
    (False, 'metadataexists "INBOX" "/private/comment"'),
    (False, 'servermetadata :contains "/shared/comment" ""'),
)
REQUIRED: Final = (
    "fileinto",
    "envelope",
    "encoded-character",
    "comparator-i;ascii-numeric",
    "relational",
    "subaddress",
    "date",
    "index",
    "body",
    "mime",
    "regex",
    "variables",
    "imap4flags",
    "ihave",
    "enotify",
    "environment",
    "mailbox",
)
REQUIRED_OF_OURS: Final = (
    "comparator-i;unicode-casemap",
    "extlists",
    "special-use",
    "spamtest",
    "virustest",
    "mboxmetadata",
    "servermetadata",
)


def script(cases: tuple[tuple[bool, str], ...], required: tuple[str, ...]) -> str:
    """A script that keeps the message with a flag for each test that is true."""
    names = ", ".join(f'"{name}"' for name in required)
    lines = [f"require [{names}];"]
    lines += [f'if {test} {{ addflag "t{number}"; }}' for number, (_, test) in enumerate(cases)]
    return "\r\n".join([*lines, "keep;", ""])


def flags(cases: tuple[tuple[bool, str], ...]) -> set[str]:
    """Those it should have."""
    return {f"t{number}" for number, (is_true, _) in enumerate(cases) if is_true}


def differences(cases: tuple[tuple[bool, str], ...], found: set[str]) -> list[str]:
    """The tests that were answered otherwise."""
    wanted = flags(cases)
    return [
        f"{'false' if is_true else 'true'}: {test}"
        for number, (is_true, test) in enumerate(cases)
        if (f"t{number}" in wanted) != (f"t{number}" in found)
    ]
