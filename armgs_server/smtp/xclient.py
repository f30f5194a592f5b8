# SPDX-License-Identifier: Apache-2.0
"""XCLIENT (Postfix's extension): a proxy that is trusted says for whom it speaks.

Only hosts named in `[smtp] xclient_hosts` are offered it. What they say counts for limits, throttle, log,
Received: and the verdict on the message, as if the client had connected itself.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from armgs_server.errors import Invalid
from armgs_server.net.hosts import is_within
from armgs_server.smtp import grammar, replies
from armgs_server.smtp.replies import reply

if TYPE_CHECKING:
    from armgs_server.smtp.session import Session

NAMES = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT")
UNKNOWN = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")


def extension(session: Session) -> str:
    """EHLO's line."""
    return " ".join(("XCLIENT", *NAMES)) if _is_trusted(session) else ""


async def handle_xclient(session: Session, argument: str) -> None:
    """XCLIENT attribute=value …"""
    if not _is_trusted(session):
        session.fail(replies.NO_XCLIENT_550)
        return
    if session.transaction is not None:
        session.fail(replies.BAD_SEQUENCE_503)
        return
    try:
        values = parse(argument)
        peer = _address(values["ADDR"]) if "ADDR" in values else session.peer
    except Invalid as error:
        session.fail(replies.SYNTAX_501.with_text(error.text))
        return
    session.reset()
    session.peer = peer
    session.helo = values.get("HELO", "")
    session.is_extended = values.get("PROTO", "").upper() == "ESMTP"
    session.principal = None
    login = values.get("LOGIN", "")
    if login and session.role.is_submission:
        person = await session.core.directory.resolve(login)
        if person is not None and person.kind == "person" and not person.disabled:
            session.principal = person
    session.send(reply(220, "", f"{session.core.config.server.hostname} ESMTP ready"))


def parse(argument: str) -> dict[str, str]:
    """The attributes, decoded; those whose value is not known are left out. Invalid."""
    values: dict[str, str] = {}
    for word in argument.split():
        name, equals, value = word.partition("=")
        name = name.upper()
        if not equals or name not in NAMES:
            raise Invalid("XCLIENT does not know that attribute")
        text = grammar.parse_xtext(value)
        if text.upper() not in UNKNOWN:
            values[name] = text
    if not argument.split():
        raise Invalid("XCLIENT needs an attribute")
    return values


def _is_trusted(session: Session) -> bool:
    return is_within(session.stream.peer, session.core.config.smtp.xclient_hosts)


def _address(text: str) -> str:
    try:
        return str(ip_address(text[5:] if text.upper().startswith("IPV6:") else text))
    except ValueError as error:
        raise Invalid("XCLIENT names no address") from error
