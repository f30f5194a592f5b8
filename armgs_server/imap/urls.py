# SPDX-License-Identifier: Apache-2.0
"""IMAP URLs of messages and their parts: RFC 5092 §11, as CATENATE takes them (RFC 4469); with an
authorization they open what they name to others (URLAUTH, RFC 4467).

/INBOX;UIDVALIDITY=3/;UID=20/;SECTION=1.2/;PARTIAL=0.1024
imap://ivanov@mail.digital.example/INBOX/;UID=20
imap://ivanov@mail.digital.example/INBOX/;UID=20;EXPIRE=2026-12-01T00:00:00Z;URLAUTH=user+petrova:internal:01…
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_to_bytes

# enc-mailbox [uidvalidity] iuid [isection] [ipartial]; the mailbox cannot have ";" unless it is encoded.
_URL = re.compile(
    r"(?:imap://[^/]*)?/(?P<mailbox>[^;]+?)(?:;UIDVALIDITY=(?P<validity>[1-9][0-9]{0,9}))?"
    r"/;UID=(?P<uid>[1-9][0-9]{0,9})(?:/;SECTION=(?P<section>[^;]+?))?"
    r"(?:/;PARTIAL=(?P<first>[0-9]{1,10})(?:\.(?P<count>[1-9][0-9]{0,9}))?)?",
    re.IGNORECASE,
)
# iserver = [iuserinfo "@"] host [":" port]; iurlauth = [";EXPIRE=" date-time] ";URLAUTH=" access
# [":" uauth-mechanism ":" enc-urlauth] (RFC 4467 §9)
_AUTHORISED = re.compile(
    r"(?P<rump>imap://(?P<user>[^/@;]+)(?:;AUTH=[^/@]+)?@(?P<host>[^/@:]+)(?::[0-9]{1,5})?"
    r"(?P<path>/.+?)(?:;EXPIRE=(?P<expire>[0-9T:.Z+-]{20,40}))?"
    r";URLAUTH=(?P<access>anonymous|authuser|(?:user|submit)\+[^:;/]+))"
    r"(?::(?P<mechanism>[A-Z0-9.-]+):(?P<token>[0-9A-F]{32,256}))?",
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


@dataclass(frozen=True, slots=True)
class AuthorisedUrl:
    """A URL with an authorization: `rump` is what the token is made of, the URL without it.

    `access` is anonymous, authuser, user or submit; `accessor` whom the last two name. `expires` is in
    microseconds, None where it lasts. `mechanism` and `token` are empty in a URL that is to get them.
    """

    rump: str
    user: str
    host: str
    message: MessageUrl
    expires: int | None
    access: str
    accessor: str
    mechanism: str
    token: str


def parse_authorised(text: str) -> AuthorisedUrl | None:
    """None for what is no such URL."""
    found = _AUTHORISED.fullmatch(text)
    message = parse_url(found["path"]) if found is not None else None
    if found is None or message is None:
        return None
    access, _, accessor = found["access"].partition("+")
    try:
        user, named = (unquote_to_bytes(each).decode("utf-8") for each in (found["user"], accessor))
        expires = datetime.fromisoformat(found["expire"]) if found["expire"] else None
    except ValueError:
        return None
    if expires is not None and expires.tzinfo is None:
        return None
    return AuthorisedUrl(
        rump=found["rump"],
        user=user,
        host=found["host"].lower(),
        message=message,
        expires=None if expires is None else int(expires.timestamp() * 1_000_000),
        access=access.lower(),
        accessor=named,
        mechanism=(found["mechanism"] or "").upper(),
        token=(found["token"] or "").lower(),
    )
