# SPDX-License-Identifier: Apache-2.0
"""The AUTHORIZATION state: USER, PASS (RFC 1939 §7), AUTH (RFC 5034), STLS (RFC 2595 §4).

APOP is left out: it needs passwords that the server can read. Without TLS nobody logs in unless
`[security] allow_plaintext` is set.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from armgs_server.directory.exchange import Answer, Failure, Success
from armgs_server.directory.model import Principal
from armgs_server.directory.sasl import Challenge
from armgs_server.errors import Denied, Throttled
from armgs_server.net.identity import address_of
from armgs_server.pop3.maildrop import Maildrop
from armgs_server.pop3.responses import AUTH, SYS_PERM, SYS_TEMP, Pop3Error, listing, ok

if TYPE_CHECKING:
    from armgs_server.pop3.session import Session

# RFC 6120 §6.5 condition -> RFC 3206 code; every other condition is a wrong credential.
CONDITIONS = {
    "account-disabled": SYS_PERM,
    "credentials-expired": SYS_PERM,
    "encryption-required": SYS_PERM,
    "invalid-mechanism": "",
    "malformed-request": "",
    "temporary-auth-failure": SYS_TEMP,
}


def mechanisms(session: Session) -> tuple[str, ...]:
    """What may be used on this connection now."""
    stream = session.stream
    return session.core.directory.auth.mechanisms(
        stream.is_tls, stream.channel_binding, service="pop3", certificate=address_of(stream.tls)
    )


async def handle_stls(session: Session, argument: str) -> None:
    """RFC 2595 §4"""
    if argument:
        raise Pop3Error("STLS has no argument")
    if not session.stream.can_start_tls:
        raise Pop3Error("TLS is not available here")
    if session.protocol.has_input:  # nothing sent in clear text may follow
        session.is_ended = True
        raise Pop3Error("input behind STLS")
    session.write(ok("begin TLS negotiation now"))
    await session.stream.start_tls()
    session.username = ""


async def handle_user(session: Session, argument: str) -> None:
    """RFC 1939 §7. Whether there is such a maildrop is not told."""
    _check_permitted(session)
    if not argument.strip():
        raise Pop3Error("a name is expected")
    session.username = argument.strip()
    session.write(ok("and the password?"))


async def handle_pass(session: Session, argument: str) -> None:
    """RFC 1939 §7: right behind a USER; spaces belong to the password."""
    username, session.username = session.username, ""
    if not username:
        raise Pop3Error("USER comes first")
    _check_permitted(session)
    stream = session.stream
    try:
        person = await session.core.directory.auth.login(
            "pop3", stream.peer, stream.is_tls, username, argument
        )
    except Throttled as error:
        raise Pop3Error(error.text, SYS_TEMP) from error
    except Denied as error:
        raise Pop3Error(error.text, AUTH) from error
    await _enter(session, person)


def _check_permitted(session: Session) -> None:
    if not session.core.directory.auth.is_permitted(session.stream.is_tls):
        raise Pop3Error("log-in needs TLS here", SYS_PERM)


async def handle_auth(session: Session, argument: str) -> None:
    """AUTH mechanism [initial-response] (RFC 5034 §4).

    COMPAT Outlook and others: AUTH alone asks for the mechanisms.
    """
    mechanism, _, initial = argument.strip().partition(" ")
    offered = mechanisms(session)
    if not mechanism:
        session.write(listing("mechanisms", offered))
        return
    if not offered:
        raise Pop3Error("log-in needs TLS here", SYS_PERM)
    data = None if not initial else b"" if initial == "=" else _decode(initial.encode())
    stream = session.stream
    session.exchange = session.core.directory.auth.begin(
        service="pop3",
        peer=stream.peer,
        is_tls=stream.is_tls,
        channel_binding=stream.channel_binding,
        certificate=address_of(stream.tls),
    )
    stream.conceal(True)
    await _take(session, await session.exchange.start(mechanism, data))


async def handle_response(session: Session, data: bytes) -> None:
    """The client's line after a challenge."""
    exchange, proven = session.exchange, session.proven
    assert exchange is not None  # responses are expected within an exchange only
    if data == b"*" or (proven is not None and data):
        raise Pop3Error("authentication cancelled")
    if proven is not None:
        await _succeed(session, proven)
    else:
        await _take(session, await exchange.respond(_decode(data)))


def cancel(session: Session) -> None:
    """Ends an exchange that has come to nothing."""
    if session.exchange is not None:
        session.exchange = session.proven = None
        session.stream.conceal(False)


async def _take(session: Session, answer: Answer) -> None:
    if isinstance(answer, Failure):
        raise Pop3Error(answer.text, CONDITIONS.get(answer.condition, AUTH))
    if isinstance(answer, Success) and not answer.data:
        await _succeed(session, answer)
        return
    if isinstance(answer, Success):
        session.proven = answer  # what comes with the success goes as one more challenge
    challenge = (answer.data if isinstance(answer, Challenge | Success) else b"") or b""
    session.write(b"+ %b\r\n" % base64.b64encode(challenge))
    session.protocol.expect_response()


async def _succeed(session: Session, success: Success) -> None:
    cancel(session)
    await _enter(session, success.principal)


async def _enter(session: Session, person: Principal) -> None:
    """RFC 1939 §4: the TRANSACTION state begins with the lock. Without it the client may try again."""
    limit = session.settings.messages
    session.maildrop = await Maildrop.open(session.core.store, person.id, limit, session.lose)
    session.principal = person
    session.stream.account = person.address
    session.stream.trace("=", f"authenticated {person.address}")
    session.write(ok(f"maildrop has {len(session.maildrop)} messages"))


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Pop3Error("not base64") from None
