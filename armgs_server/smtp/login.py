# SPDX-License-Identifier: Apache-2.0
"""AUTH: RFC 4954, over the directory's SASL. Submission only; without TLS only where settings allow."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from armgs_server.directory.exchange import Answer, Failure, Success
from armgs_server.directory.sasl import Challenge
from armgs_server.smtp import replies
from armgs_server.smtp.replies import Reply, reply

if TYPE_CHECKING:
    from armgs_server.smtp.session import Session

# Conditions of RFC 6120 §6.5 as RFC 4954 §6 replies; every other condition is a wrong credential.
CONDITION_REPLIES = {
    "temporary-auth-failure": replies.TEMPORARY_AUTH_454,
    "encryption-required": replies.ENCRYPTION_REQUIRED_538,
    "invalid-mechanism": replies.BAD_MECHANISM_504,
    "aborted": replies.CANCELLED_501,
    "malformed-request": replies.BAD_BASE64_501,
    "incorrect-encoding": replies.BAD_BASE64_501,
}


def mechanisms(session: Session) -> tuple[str, ...]:
    """What may be used on this connection now; none on the mx port."""
    if not session.role.is_submission:
        return ()
    stream = session.stream
    return session.core.directory.auth.mechanisms(stream.is_tls, stream.channel_binding, service="smtp")


async def handle_auth(session: Session, argument: str) -> None:
    """AUTH mechanism [initial-response]"""
    if not session.role.is_submission:
        session.fail(replies.NOT_IMPLEMENTED_502)
        return
    if not session.is_extended or session.principal is not None or session.transaction is not None:
        session.fail(replies.BAD_SEQUENCE_503)
        return
    mechanism, _, initial = argument.partition(" ")
    mechanism = mechanism.upper()
    offered = mechanisms(session)
    if not offered:
        session.fail(replies.TLS_REQUIRED_530)
        return
    if mechanism not in offered:
        session.fail(replies.BAD_MECHANISM_504)
        return
    data: bytes | None = None
    if initial:
        try:
            data = b"" if initial == "=" else _decode(initial.encode())
        except binascii.Error:
            session.fail(replies.BAD_BASE64_501)
            return
    session.exchange = session.core.directory.auth.begin(
        service="smtp",
        peer=session.peer,
        is_tls=session.stream.is_tls,
        channel_binding=session.stream.channel_binding,
    )
    session.stream.conceal(True)
    await _take(session, await session.exchange.start(mechanism, data))


async def handle_response(session: Session, data: bytes) -> None:
    """The client's line after a 334."""
    exchange, proven = session.exchange, session.proven
    assert exchange is not None  # responses are expected within an exchange only
    if data == b"*" or (proven is not None and data):  # RFC 4954 §4
        cancel(session)
        session.fail(replies.CANCELLED_501)
        return
    if proven is not None:
        _succeed(session, proven)
        return
    try:
        decoded = _decode(data)
    except binascii.Error:
        cancel(session)
        session.fail(replies.BAD_BASE64_501)
        return
    await _take(session, await exchange.respond(decoded))


def cancel(session: Session) -> None:
    """Ends an exchange that has come to nothing."""
    session.exchange = session.proven = None
    session.stream.conceal(False)


async def _take(session: Session, answer: Answer) -> None:
    if isinstance(answer, Failure):
        cancel(session)
        session.fail(CONDITION_REPLIES.get(answer.condition, replies.AUTH_FAILED_535))
    elif isinstance(answer, Challenge):
        session.send(_challenge(answer.data))
        session.protocol.expect_response()
    elif answer.data:
        # RFC 4954 §4: what comes with the success goes as one more challenge, answered by an empty line.
        session.proven = answer
        session.send(_challenge(answer.data))
        session.protocol.expect_response()
    else:
        _succeed(session, answer)


def _succeed(session: Session, success: Success) -> None:
    cancel(session)
    session.principal = success.principal
    session.stream.account = success.principal.address
    session.send(replies.AUTHENTICATED_235)


def _challenge(data: bytes) -> Reply:
    return reply(334, "", base64.b64encode(data).decode())


def _decode(data: bytes) -> bytes:
    return base64.b64decode(data, validate=True)
