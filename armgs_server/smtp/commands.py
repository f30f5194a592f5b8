# SPDX-License-Identifier: Apache-2.0
"""SMTP commands, one function each, and the table that says when each is allowed.

A handler decodes its argument, checks state and rights, changes the state, replies once. What EHLO offers
is computed from the tables below, so nothing is offered that is not there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from armgs_server import measures
from armgs_server.errors import Invalid
from armgs_server.smtp import (
    grammar,
    lists,
    login,
    parameters,
    parameters_sending,
    policy,
    replies,
    text,
    xclient,
)
from armgs_server.smtp.grammar import Path
from armgs_server.smtp.replies import Reply, reply
from armgs_server.smtp.transaction import Transaction

if TYPE_CHECKING:
    from armgs_server.smtp.session import Session

Handler: TypeAlias = "Callable[[Session, str], Awaitable[None]]"


_operations = measures.operations("smtp")


@dataclass(frozen=True, slots=True)
class Specification:
    """A command: who handles it, and whether EHLO or HELO must have come before (RFC 5321 §4.1.4)."""

    handler: Handler
    needs_greeting: bool = False
    is_lmtp: bool | None = None  # known in LMTP only, or in SMTP only


async def handle(session: Session, verb: str, argument: str) -> None:
    """Looks the command up, checks that it may come now, and runs it."""
    specification = COMMANDS.get(verb)
    if specification is None or (specification.is_lmtp not in (None, session.role.is_lmtp)):
        session.fail(replies.UNKNOWN_COMMAND_500)
        return
    if specification.needs_greeting and not session.helo:
        session.fail(replies.NEED_GREETING_503)
        return
    begin = measures.clock()
    try:
        await specification.handler(session, argument)
    finally:
        _operations.done(verb, begin)


async def handle_ehlo(session: Session, argument: str) -> None:
    """EHLO, RFC 5321 §4.1.1.1"""
    if not _greet(session, argument, is_extended=True):
        return
    keywords = [keyword for make in EXTENSIONS if (keyword := make(session))]
    session.send(reply(250, "", f"{session.core.config.server.hostname} greets you", *keywords))


async def handle_helo(session: Session, argument: str) -> None:
    """HELO, RFC 5321 §4.1.1.1"""
    if _greet(session, argument, is_extended=False):
        session.send(reply(250, "", session.core.config.server.hostname))


async def handle_mail(session: Session, argument: str) -> None:
    """MAIL, RFC 5321 §4.1.1.2"""
    if session.transaction is not None:
        session.fail(replies.BAD_SEQUENCE_503)
        return
    if session.role.is_submission and session.principal is None:  # RFC 6409 §4.3
        session.fail(replies.AUTH_REQUIRED_530)
        return
    try:
        path = grammar.parse_reverse_path(argument)
    except Invalid as error:
        session.fail(replies.BAD_SENDER_501.with_text(f"Bad sender: {error.text}"))
        return
    transaction = Transaction(session.delivery, path.address, session.principal)
    transaction.is_from_stranger = not session.role.is_lmtp
    refusal = parameters.apply_mail(session, transaction, path.parameters)
    if refusal is None and not path.text.isascii() and not transaction.needs_utf8:
        refusal = replies.NEED_UTF8_553  # RFC 6531 §3.4
    if refusal is None:
        refusal = await _check_sender(session, path)
    if refusal is not None:
        session.fail(refusal)
        return
    session.transaction = transaction
    # RFC 6710 §4.1: who asked for more than there is learns it.
    session.send(replies.PRIORITY_LOWERED_250 if transaction.is_priority_lowered else replies.SENDER_OK_250)


async def handle_rcpt(session: Session, argument: str) -> None:
    """RCPT, RFC 5321 §4.1.1.3; a refused recipient is no error of the client"""
    transaction = session.transaction
    if transaction is None or transaction.body is not None:  # no recipient may join a text that has begun
        session.fail(replies.NEED_MAIL_503 if transaction is None else replies.BAD_SEQUENCE_503)
        return
    transaction.attempts += 1
    if transaction.attempts > session.core.config.smtp.recipients:
        session.send(replies.TOO_MANY_RECIPIENTS_452)
        return
    try:
        path = grammar.parse_forward_path(argument, policy.own_domain(session.core))
    except Invalid as error:
        session.fail(replies.BAD_RECIPIENT_501.with_text(f"Bad recipient: {error.text}"))
        return
    assert path.address is not None  # a forward-path is never null
    if not path.text.isascii() and not transaction.needs_utf8:
        session.fail(replies.NEED_UTF8_553)
        return
    found = await policy.find_recipient(
        session.core,
        path.address,
        may_relay=session.principal is not None,
        may_ask=session.principal is not None,
        is_report=transaction.sender is None,
        size=transaction.size,
        may_be_full=session.delivery.may_be_full,
    )
    if isinstance(found, Reply):
        session.send(found)
        return
    if session.principal is None and found.asks:
        session.send(replies.LOG_IN_TO_ASK_550)  # anybody may write a name into From:
        return
    answer = replies.RECIPIENT_OK_250
    if found.mail_list is not None:
        if not transaction.has_room_for_list:
            session.send(replies.TOO_MANY_RECIPIENTS_452)
            return
        answer = await lists.check_poster(session.core, found.mail_list, session.principal) or answer
        if not answer.is_positive:
            session.send(answer)
            return
        found = replace(found, is_held=answer is replies.HELD_250)
    accepted = parameters.apply_rcpt(session, found, path.parameters)
    if isinstance(accepted, Reply):
        session.fail(accepted)
        return
    transaction.recipients.append(accepted)
    session.send(answer)


async def handle_rset(session: Session, argument: str) -> None:
    """RSET, RFC 5321 §4.1.1.5"""
    session.reset()
    session.send(replies.RESET_250)


async def handle_noop(session: Session, argument: str) -> None:
    """NOOP, RFC 5321 §4.1.1.9: the argument is ignored"""
    session.send(replies.OK_250)


async def handle_vrfy(session: Session, argument: str) -> None:
    """VRFY, RFC 5321 §7.3: whether an address exists is not told to who does not write to it"""
    session.send(replies.CANNOT_VERIFY_252)


async def handle_help(session: Session, argument: str) -> None:
    """HELP, RFC 5321 §4.1.1.8"""
    session.send(replies.HELP_214)


async def handle_not_implemented(session: Session, argument: str) -> None:
    """EXPN and the obsolete commands of RFC 821"""
    session.fail(replies.NOT_IMPLEMENTED_502)


async def handle_quit(session: Session, argument: str) -> None:
    """QUIT, RFC 5321 §4.1.1.10"""
    session.send(replies.CLOSING_221)
    session.is_closing = True


async def handle_starttls(session: Session, argument: str) -> None:
    """STARTTLS, RFC 3207"""
    if argument:
        session.fail(replies.SYNTAX_501)
    elif session.stream.is_tls or session.transaction is not None:
        session.fail(replies.BAD_SEQUENCE_503)
    elif not _offers_tls(session):
        session.fail(replies.TLS_UNAVAILABLE_454)
    elif session.protocol.has_input:
        # What came behind STARTTLS came in clear text; somebody on the way may have put it there.
        session.fail(replies.PIPELINED_TLS_503)
        session.is_closing = True
    else:
        session.send(replies.READY_TLS_220)
        await session.start_tls()


def _greet(session: Session, argument: str, *, is_extended: bool) -> bool:
    try:
        session.helo = grammar.parse_domain(argument)
    except Invalid as error:
        session.fail(replies.SYNTAX_501.with_text(f"Bad greeting: {error.text}"))
        return False
    session.is_extended = is_extended
    session.reset()  # RFC 5321 §4.1.4: EHLO resets like RSET
    return True


async def _check_sender(session: Session, path: Path) -> Reply | None:
    """Whose address may stand in MAIL FROM: on submission one that the person may send as."""
    if session.principal is None or path.address is None:
        return None
    if not await policy.may_send_from(session.core, session.principal, path.address):
        return replies.NOT_YOUR_ADDRESS_550
    return None


def _offers_tls(session: Session) -> bool:
    return session.role.tls == "starttls" and session.core.tls is not None


def _extension_starttls(session: Session) -> str:
    return "STARTTLS" if _offers_tls(session) and not session.stream.is_tls else ""


def _extension_auth(session: Session) -> str:
    offered = login.mechanisms(session) if session.principal is None else ()
    return " ".join(("AUTH", *offered)) if offered else ""


COMMANDS: Mapping[str, Specification] = {
    "EHLO": Specification(handle_ehlo, is_lmtp=False),
    "HELO": Specification(handle_helo, is_lmtp=False),
    "LHLO": Specification(handle_ehlo, is_lmtp=True),  # RFC 2033 §4.1: neither HELO nor EHLO
    "MAIL": Specification(handle_mail, needs_greeting=True),
    "RCPT": Specification(handle_rcpt, needs_greeting=True),
    "DATA": Specification(text.handle_data, needs_greeting=True),
    "BDAT": Specification(text.handle_bdat),
    "RSET": Specification(handle_rset),
    "NOOP": Specification(handle_noop),
    "VRFY": Specification(handle_vrfy),
    "HELP": Specification(handle_help),
    "QUIT": Specification(handle_quit),
    "AUTH": Specification(login.handle_auth, needs_greeting=True),
    "STARTTLS": Specification(handle_starttls, needs_greeting=True),
    "XCLIENT": Specification(xclient.handle_xclient, needs_greeting=True),
    "EXPN": Specification(handle_not_implemented),
    "TURN": Specification(handle_not_implemented),
    "SEND": Specification(handle_not_implemented),
    "SOML": Specification(handle_not_implemented),
    "SAML": Specification(handle_not_implemented),
    "ETRN": Specification(handle_not_implemented),
}

# Each gives its line of the EHLO reply, or "" where it is not offered on this connection.
EXTENSIONS: tuple[Callable[[Session], str], ...] = (
    lambda session: "PIPELINING",  # RFC 2920
    lambda session: f"SIZE {session.core.config.smtp.message_size}",  # RFC 1870
    lambda session: "8BITMIME",  # RFC 6152
    lambda session: "SMTPUTF8",  # RFC 6531
    lambda session: "CHUNKING",  # RFC 3030
    lambda session: "BINARYMIME",  # RFC 3030
    lambda session: "ENHANCEDSTATUSCODES",  # RFC 2034
    parameters.extension_dsn,  # RFC 3461
    lambda session: "DELIVERBY",  # RFC 2852
    parameters_sending.extension_future_release,  # RFC 4865
    lambda session: "MT-PRIORITY",  # RFC 6710
    parameters_sending.extension_limits,  # RFC 9422
    parameters_sending.extension_require_tls,  # RFC 8689
    xclient.extension,
    lambda session: "HELP",
    _extension_starttls,  # RFC 3207
    _extension_auth,  # RFC 4954
)
