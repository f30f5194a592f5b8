# SPDX-License-Identifier: Apache-2.0
"""DATA (RFC 5321 §4.1.1.4) and BDAT (RFC 3030): the message's text, and the reply that ends a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.errors import DomainError, Invalid
from armgs_server.smtp import grammar, replies
from armgs_server.smtp.replies import Reply

if TYPE_CHECKING:
    from armgs_server.smtp.session import Session


async def handle_data(session: Session, argument: str) -> None:
    """DATA"""
    if argument:
        session.fail(replies.SYNTAX_501)
        return
    refusal = _check_ready(session)
    if refusal is None and session.transaction is not None:
        if session.transaction.body is not None:  # RFC 3030 §2: DATA may not follow BDAT
            refusal = replies.BAD_SEQUENCE_503
        elif session.transaction.is_binary:  # RFC 3030 §3
            refusal = replies.NEED_BDAT_503
    if refusal is not None:
        session.fail(refusal)
        return
    _begin(session)
    session.is_last_chunk = True
    session.protocol.expect_data()
    session.send(replies.START_MAIL_354)


async def handle_bdat(session: Session, argument: str) -> None:
    """BDAT: the octets come whether the chunk is welcome or not."""
    try:
        size, is_last = grammar.parse_chunk(argument)
    except Invalid:
        # How many octets follow is unknown: nothing after this can be told from commands.
        session.fail(replies.SYNTAX_501)
        session.is_closing = True
        return
    session.text_refusal = _check_ready(session)
    session.is_last_chunk = is_last
    if session.text_refusal is None:
        _begin(session)
    session.protocol.expect_chunk(size)


async def handle_text(session: Session, data: bytes) -> None:
    """A piece of the message."""
    transaction = session.transaction
    if session.text_refusal is None and transaction is not None and transaction.body is not None:
        await transaction.body.write(data)


async def handle_end(session: Session) -> None:
    """The end of the text or of a chunk."""
    refusal, session.text_refusal = session.text_refusal, None
    if refusal is not None:
        session.fail(refusal)
        return
    if not session.is_last_chunk:
        session.send(replies.CHUNK_OK_250)
        return
    transaction, session.transaction = session.transaction, None
    assert transaction is not None  # DATA and BDAT are refused without one
    try:
        # RFC 2033 §4.2: LMTP answers for each recipient.
        answers = await transaction.finish_each() if session.role.is_lmtp else [await transaction.finish()]
    except DomainError as error:
        transaction.abort()
        if not session.role.is_lmtp:
            raise
        answers = [session.reply_for(error)] * len(transaction.recipients)
    except BaseException:
        transaction.abort()
        raise
    if any(answer.is_positive for answer in answers):
        session.errors = 0
    for answer in answers:
        if answer.is_positive or session.role.is_lmtp:  # a full mailbox is no error of the client
            session.send(answer)
        else:
            session.fail(answer)


def _check_ready(session: Session) -> Reply | None:
    """Whether a text may come now."""
    if session.transaction is None:
        return replies.NEED_MAIL_503
    if not session.transaction.recipients:
        return replies.NO_RECIPIENTS_554
    return None


def _begin(session: Session) -> None:
    transaction = session.transaction
    assert transaction is not None  # _check_ready has looked
    if transaction.body is None:
        transaction.begin(session.helo, session.peer, session.trace_protocol)
