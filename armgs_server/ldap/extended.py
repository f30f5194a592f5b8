# SPDX-License-Identifier: Apache-2.0
"""Extended operations: StartTLS (RFC 4511 §4.14), Who am I (RFC 4532)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.ldap import results
from armgs_server.ldap.entries import Entries
from armgs_server.ldap.messages import Extended, Message
from armgs_server.ldap.results import LdapError, extended_result
from armgs_server.ldap.root import START_TLS, WHO_AM_I

if TYPE_CHECKING:
    from armgs_server.ldap.session import Session


async def handle_extended(session: Session, message: Message, request: Extended) -> None:
    """RFC 4511 §4.12: an unknown name is a protocol error."""
    if request.name == START_TLS:
        await _start_tls(session, message)
    elif request.name == WHO_AM_I:
        await _who_am_i(session, message)
    else:
        raise LdapError(results.PROTOCOL_ERROR, "no such extended operation")


async def _start_tls(session: Session, message: Message) -> None:
    stream = session.stream
    if stream.is_tls:
        raise LdapError(results.OPERATIONS_ERROR, "TLS it is already")
    if not stream.can_start_tls:
        raise LdapError(results.UNAVAILABLE, "TLS is not available here")
    if session.protocol.has_input:  # nothing said in clear text may follow (§4.14.1)
        session.end(results.PROTOCOL_ERROR, "input behind StartTLS")
        return
    session.write(extended_result(message.id, results.SUCCESS, name=START_TLS))
    await stream.start_tls()
    session.leave()  # RFC 4513 §3.1.1: who was logged in in clear text may log in again


async def _who_am_i(session: Session, message: Message) -> None:
    """RFC 4532 §2: an authzId of RFC 4513 §5.2.1.8, empty for an anonymous client."""
    person, name = session.principal, ""
    department = await session.directory.by_id(person.department) if person is not None else None
    if person is not None and department is not None:
        entries = Entries(session.directory, session.index, {department.id: department})
        name = f"dn:{entries.dn(person)}"
    session.write(extended_result(message.id, results.SUCCESS, value=name.encode()))
