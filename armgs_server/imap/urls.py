# SPDX-License-Identifier: Apache-2.0
"""IMAP URLs of messages and their parts: RFC 5092 §11, as CATENATE takes them (RFC 4469).

/INBOX;UIDVALIDITY=3/;UID=20/;SECTION=1.2/;PARTIAL=0.1024
imap://ivanov@mail.digital.example/INBOX/;UID=20
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

# enc-mailbox [uidvalidity] iuid [isection] [ipartial]; the mailbox cannot have ";" unless it is encoded.
_URL = re.compile(
    r"(?:imap://[^/]*)?/(?P<mailbox>[^;]+?)(?:;UIDVALIDITY=(?P<validity>[1-9][0-9]{0,9}))?"
    r"/;UID=(?P<uid>[1-9][0-9]{0,9})(?:/;SECTION=(?P<section>[^;]+?))?"
    r"(?:/;PARTIAL=(?P<first>[0-9]{1,10})(?:\.(?P<count>[1-9][0-9]{0,9}))?)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """What a URL names: `section` as in BODY[…]; `uid_validity` and `count` 0 where there is none."""

    mailbox: str
    uid_validity: int
    uid: int
    section: str
    first: int
    count: int


def parse_url(text: str) -> MessageUrl | None:
    """None for what is no such URL."""
    found = _URL.fullmatch(text)
    if found is None:
        return None
    try:
        mailbox = unquote_to_bytes(found["mailbox"]).decode("utf-8")
        section = unquote_to_bytes(found["section"] or "").decode("ascii")
    except UnicodeDecodeError:
        return None
    return MessageUrl(
        mailbox=mailbox,
        uid_validity=int(found["validity"] or 0),
        uid=int(found["uid"]),
        section=section,
        first=int(found["first"] or 0),
        count=int(found["count"] or 0),
    )
