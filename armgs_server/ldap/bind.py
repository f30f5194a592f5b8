# SPDX-License-Identifier: Apache-2.0
"""Bind (RFC 4511 §4.2, RFC 4513 §5): anonymous, with name and password, by SASL.

A password is the person's own or one of a device; who guesses is throttled with all other protocols. Whatever
is wrong with name or password has one answer, invalidCredentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from armgs_server.directory.exchange import Answer, Failure
from armgs_server.directory.model import Disabled
from armgs_server.directory.sasl import Challenge
from armgs_server.errors import Denied, Invalid, Throttled
from armgs_server.ldap import results
from armgs_server.ldap.dn import parse_dn, prepare
from armgs_server.ldap.entries import suffix
from armgs_server.ldap.messages import Bind, Message
from armgs_server.ldap.results import LdapError, bind_result

if TYPE_CHECKING:
    from armgs_server.ldap.session import Session

_VERSION: Final = 3
_PEOPLE: Final = (("ou", "people"),)
# Conditions of RFC 6120 §6.5, by which the directory tells why an exchange failed.
_CONDITIONS: Final = {
    "temporary-auth-failure": results.BUSY,
    "encryption-required": results.CONFIDENTIALITY_REQUIRED,
    "invalid-mechanism": results.AUTH_METHOD_NOT_SUPPORTED,
    "malformed-request": results.PROTOCOL_ERROR,
}


async def handle_bind(session: Session, message: Message, request: Bind) -> None:
    """RFC 4511 §4.2.1: whatever comes of it, who was logged in is not any more."""
    exchange, session.exchange = session.exchange, None
    session.leave()
    if request.version != _VERSION:
        raise LdapError(results.PROTOCOL_ERROR, "only LDAPv3 is spoken here")
    if request.mechanism is None:
        await _simple(session, message, request)
        return
    if not session.mechanisms():
        raise LdapError(results.CONFIDENTIALITY_REQUIRED, "log-in needs TLS here")
    mechanism = request.mechanism.upper()
    if exchange is not None and exchange[0] == mechanism:
        session.exchange = exchange
        await _take(session, message, await exchange[1].respond(request.credentials or b""))
        return
    if mechanism not in session.mechanisms():
        raise LdapError(results.AUTH_METHOD_NOT_SUPPORTED, "no such mechanism here")
    stream = session.stream
    started = session.directory.auth.begin(
        service="ldap", peer=stream.peer, is_tls=stream.is_tls, channel_binding=stream.channel_binding
    )
    session.exchange = mechanism, started
    await _take(session, message, await started.start(mechanism, request.credentials))


async def _simple(session: Session, message: Message, request: Bind) -> None:
    stream, password = session.stream, request.credentials or b""
    if not password:
        # RFC 4513 §5.1.2: a name without a password proves nothing; careless programs take it for a log-in
        if request.name:
            raise LdapError(results.UNWILLING_TO_PERFORM, "a name needs a password")
        session.write(bind_result(message.id, results.SUCCESS))  # §5.1.1, anonymous
        return
    if not session.directory.auth.is_permitted(stream.is_tls):
        raise LdapError(results.CONFIDENTIALITY_REQUIRED, "log-in needs TLS here")
    username = await _username(session, request.name)
    try:
        person = await session.directory.auth.login(
            "ldap", stream.peer, stream.is_tls, username, password.decode("utf-8", "surrogateescape")
        )
    except Throttled:
        raise LdapError(results.BUSY, "too many failed attempts: wait") from None
    except Disabled as error:
        raise LdapError(results.UNWILLING_TO_PERFORM, error.text) from None
    except Denied as error:
        raise LdapError(results.INVALID_CREDENTIALS, error.text) from None
    session.enter(person)
    session.write(bind_result(message.id, results.SUCCESS))


async def _username(session: Session, name: str) -> str:
    """Whom the name of a bind means; a name that means nobody as it is, for the throttle to count.

    COMPAT: Active Directory takes an address where RFC 4511 §4.2 wants a distinguished name, and programs
    that were written for it send one.
    """
    if "=" not in name:
        return name
    try:
        dn = parse_dn(name)
    except Invalid:
        return name
    if len(dn) < 3 or dn[1] != _PEOPLE or len(dn[0]) != 1 or dn[0][0][0] != "uid":
        return name
    uid = dn[0][0][1]
    found = await session.directory.by_address(uid)
    # A disabled person has no entry any more, but is told so after the right password, as everywhere.
    if found is None or found.kind != "person" or prepare(found.address) != uid:
        return name
    department = await session.directory.by_id(found.department)
    is_theirs = department is not None and parse_dn(suffix(department)) == dn[2:]
    return found.address if is_theirs else name


async def _take(session: Session, message: Message, answer: Answer) -> None:
    if isinstance(answer, Challenge):
        session.write(bind_result(message.id, results.SASL_BIND_IN_PROGRESS, credentials=answer.data))
        return
    session.exchange = None
    if isinstance(answer, Failure):
        raise LdapError(_CONDITIONS.get(answer.condition, results.INVALID_CREDENTIALS), answer.text)
    session.enter(answer.principal)
    session.write(bind_result(message.id, results.SUCCESS, credentials=answer.data))
