# SPDX-License-Identifier: Apache-2.0
"""AUTHENTICATE, STARTTLS, UNAUTHENTICATE: RFC 5804 §2.1, §2.2, §2.14, over the directory's SASL."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from armgs_server.directory.exchange import Answer, Failure
from armgs_server.directory.sasl import Challenge
from armgs_server.managesieve.responses import ENCRYPT_NEEDED, TRY_LATER, No, ok, string

if TYPE_CHECKING:
    from armgs_server.managesieve.session import Session

# Conditions of RFC 6120 §6.5 as response codes of RFC 5804 §1.3.
CONDITIONS: Final = {"temporary-auth-failure": TRY_LATER, "encryption-required": ENCRYPT_NEEDED}


def mechanisms(session: Session) -> tuple[str, ...]:
    """What may be used on this connection now."""
    stream = session.stream
    auth = session.core.directory.auth
    return auth.mechanisms(stream.is_tls, stream.channel_binding, service="sieve")


async def handle_starttls(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.2: the capabilities are sent again, unasked."""
    if not session.stream.can_start_tls:
        raise No("TLS is not available here")
    if session.protocol.has_input:  # nothing said in clear text may follow
        session.bye("input behind STARTTLS")
        return
    session.write(ok("begin TLS negotiation now"))
    await session.stream.start_tls()
    session.write(session.capabilities() + ok("TLS it is"))


async def handle_authenticate(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.1"""
    mechanism = session.text(arguments[0]).upper()
    offered = mechanisms(session)
    if not offered:
        raise No("log-in needs TLS here", ENCRYPT_NEEDED)
    if mechanism not in offered:
        raise No("no such mechanism here")
    initial = None if len(arguments) < 2 else _decode(arguments[1])
    stream = session.stream
    session.exchange = session.core.directory.auth.begin(
        service="sieve", peer=stream.peer, is_tls=stream.is_tls, channel_binding=stream.channel_binding
    )
    stream.conceal(True)
    await _take(session, await session.exchange.start(mechanism, initial))


async def handle_response(session: Session, data: bytes) -> None:
    """The client's string after a challenge."""
    exchange = session.exchange
    if exchange is None or data == b"*":
        raise No("authentication cancelled")
    await _take(session, await exchange.respond(_decode(data)))


def cancel(session: Session) -> None:
    """Ends an exchange that has come to nothing."""
    if session.exchange is not None:
        session.exchange = None
        session.stream.conceal(False)


async def _take(session: Session, answer: Answer) -> None:
    if isinstance(answer, Failure):
        raise No(answer.text, CONDITIONS.get(answer.condition, ""))
    if isinstance(answer, Challenge):
        session.write(string(base64.b64encode(answer.data)) + b"\r\n")
        session.protocol.expect_response()
        return
    cancel(session)
    session.enter(answer.principal)
    # RFC 5804 §2.1: what comes with the success is a code of the OK
    data = base64.b64encode(answer.data).decode() if answer.data is not None else ""
    session.write(ok("logged in", f'SASL "{data}"' if data else ""))


async def handle_unauthenticate(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.14"""
    session.leave()
    session.write(ok("logged out"))


def _decode(data: bytes | int) -> bytes:
    if isinstance(data, int):
        raise No("a string is expected")
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except binascii.Error:
        raise No("not base64") from None
