# SPDX-License-Identifier: Apache-2.0
"""STARTTLS, AUTHENTICATE, LOGIN: RFC 3501 §6.2, SASL-IR (RFC 4959), codes of RFC 5530, UNAUTHENTICATE
(RFC 8437)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from armgs_server.directory.exchange import Failure, Success
from armgs_server.directory.model import Expired
from armgs_server.directory.sasl import Challenge
from armgs_server.errors import Denied, Throttled
from armgs_server.imap.command import Ok
from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import bad, no, status
from armgs_server.net.identity import address_of

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# RFC 6120 §6.5 condition -> RFC 5530 code.
CONDITIONS = {
    "account-disabled": "CONTACTADMIN",
    "credentials-expired": "EXPIRED",
    "encryption-required": "PRIVACYREQUIRED",
    "invalid-authzid": "AUTHORIZATIONFAILED",
    "temporary-auth-failure": "UNAVAILABLE",
}
STEP_TIMEOUT = 60.0


async def handle_starttls(session: Session, cursor: Cursor) -> None:
    """RFC 3501 §6.2.1. The tagged line goes out in clear text, so it cannot wait for the session."""
    cursor.end()
    if not session.stream.can_start_tls:
        raise bad("TLS is not available here")
    if session.protocol.has_input:  # RFC 9051 §11.1: nothing sent in clear text may follow
        session.bye("input behind STARTTLS")
        return
    session.write(status(session.tag, b"OK", "begin TLS negotiation now"))
    await session.stream.start_tls()


async def handle_unauthenticate(session: Session, cursor: Cursor) -> Ok:
    """RFC 8437 §2"""
    cursor.end()
    await session.unauthenticated()
    return Ok("logged out", f"CAPABILITY {session.capabilities()}")


async def handle_login(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.2.3"""
    cursor.space()
    username = cursor.astring()
    cursor.space()
    password = cursor.astring()
    cursor.end()
    if not session.may_login:
        raise no("log-in needs TLS here", "PRIVACYREQUIRED")
    auth, stream = session.core.directory.auth, session.stream
    try:
        principal = await auth.login("imap", stream.peer, stream.is_tls, _text(username), _text(password))
    except Throttled as error:
        raise no(error.text, "LIMIT") from error
    except Expired as error:
        raise no(error.text, "EXPIRED") from error
    except Denied as error:
        raise no(error.text, "AUTHENTICATIONFAILED") from error
    return session.authenticated(principal)


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise no("name and password are UTF-8", "AUTHENTICATIONFAILED") from None


async def handle_authenticate(session: Session, cursor: Cursor) -> Ok:
    """RFC 3501 §6.2.2, with the initial response of RFC 4959."""
    cursor.space()
    mechanism = cursor.atom()
    initial: bytes | None = None
    if not cursor.is_at_end():
        cursor.space()
        initial = b"" if cursor.take(b"=") and cursor.is_at_end() else _decode(cursor.rest())
    cursor.end()
    if mechanism not in session.mechanisms():
        raise no("no such mechanism here", "CANNOT" if session.may_login else "PRIVACYREQUIRED")
    stream = session.stream
    exchange = session.core.directory.auth.begin(
        service="imap",
        peer=stream.peer,
        is_tls=stream.is_tls,
        channel_binding=stream.channel_binding,
        certificate=address_of(stream.tls),
    )
    stream.conceal(True)
    try:
        step = await exchange.start(mechanism, initial)
        while isinstance(step, Challenge):
            step = await exchange.respond(await _response(session, step.data))
        if isinstance(step, Success) and step.data is not None:
            # RFC 3501 knows no data with success: it goes as a challenge, answered by an empty line
            await _response(session, step.data)
    finally:
        stream.conceal(False)
    if isinstance(step, Failure):
        raise no(step.text, CONDITIONS.get(step.condition, "AUTHENTICATIONFAILED"))
    return session.authenticated(step.principal)


async def _response(session: Session, challenge: bytes) -> bytes:
    line = await session.next_line(base64.b64encode(challenge), STEP_TIMEOUT)
    if line == b"*":
        raise bad("authentication cancelled")
    return _decode(line)


def _decode(line: bytes) -> bytes:
    try:
        return binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        raise bad("not base64") from None
