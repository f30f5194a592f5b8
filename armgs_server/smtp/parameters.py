# SPDX-License-Identifier: Apache-2.0
"""Parameters of MAIL and RCPT, a function for each; others are refused (RFC 5321 §4.1.1.11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from armgs_server.errors import Invalid
from armgs_server.smtp import grammar, parameters_sending, replies
from armgs_server.smtp.grammar import Parameters
from armgs_server.smtp.policy import Recipient
from armgs_server.smtp.replies import Reply
from armgs_server.smtp.transaction import Transaction

if TYPE_CHECKING:
    from armgs_server.smtp.session import Session

MailParameter: TypeAlias = "Callable[[Session, Transaction, str | None], Reply | None]"
RcptParameter: TypeAlias = "Callable[[Session, Recipient, str | None], Recipient | Reply]"

# RFC 3461 §4.2 and §4.4: longest values, in characters.
ENVELOPE_ID_LIMIT = 100
ORIGINAL_LIMIT = 500


def apply_mail(session: Session, transaction: Transaction, given: Parameters) -> Reply | None:
    """Applies the parameters of MAIL; the reply that refuses one, if any."""
    for keyword, value in given.items():
        apply = MAIL_PARAMETERS.get(keyword)
        refusal = replies.UNKNOWN_PARAMETER_555 if apply is None else apply(session, transaction, value)
        if refusal is not None:
            return refusal
    return None


def apply_rcpt(session: Session, recipient: Recipient, given: Parameters) -> Recipient | Reply:
    """Applies the parameters of RCPT."""
    for keyword, value in given.items():
        apply = RCPT_PARAMETERS.get(keyword)
        applied = replies.UNKNOWN_PARAMETER_555 if apply is None else apply(session, recipient, value)
        if isinstance(applied, Reply):
            return applied
        recipient = applied
    return recipient


def _size(session: Session, transaction: Transaction, value: str | None) -> Reply | None:
    """RFC 1870 §6: refuse at once what would be refused after the text."""
    if value is None or not (value.isascii() and value.isdigit() and len(value) <= 20):
        return replies.SYNTAX_501
    transaction.size = int(value)
    if transaction.size > session.core.config.smtp.message_size:
        return replies.TOO_LARGE_552
    return None


def _body(session: Session, transaction: Transaction, value: str | None) -> Reply | None:
    """RFC 6152 §2, RFC 3030 §3"""
    kind = (value or "").upper()
    if kind not in ("7BIT", "8BITMIME", "BINARYMIME"):
        return replies.SYNTAX_501
    transaction.is_8bit = kind != "7BIT"
    transaction.is_binary = kind == "BINARYMIME"
    return None


def _smtputf8(session: Session, transaction: Transaction, value: str | None) -> Reply | None:
    """RFC 6531 §3.4"""
    if value is not None:
        return replies.SYNTAX_501
    transaction.needs_utf8 = True
    return None


def _auth(session: Session, transaction: Transaction, value: str | None) -> Reply | None:
    """RFC 4954 §5: who submitted it first; taken, and believed from nobody."""
    if not session.role.is_submission:
        return replies.UNKNOWN_PARAMETER_555
    return replies.SYNTAX_501 if value is None else None


def _ret(session: Session, transaction: Transaction, value: str | None) -> Reply | None:
    """RFC 3461 §4.3"""
    transaction.returned = (value or "").upper()
    if not _offers_dsn(session):
        return replies.UNKNOWN_PARAMETER_555
    return None if transaction.returned in ("FULL", "HDRS") else replies.SYNTAX_501


def _envid(session: Session, transaction: Transaction, value: str | None) -> Reply | None:
    """RFC 3461 §4.4"""
    if not _offers_dsn(session):
        return replies.UNKNOWN_PARAMETER_555
    try:
        transaction.envelope_id = grammar.parse_xtext(value or "")
    except Invalid:
        return replies.SYNTAX_501
    return None if 0 < len(transaction.envelope_id) <= ENVELOPE_ID_LIMIT else replies.SYNTAX_501


def _notify(session: Session, recipient: Recipient, value: str | None) -> Recipient | Reply:
    """RFC 3461 §4.1"""
    if not _offers_dsn(session):
        return replies.UNKNOWN_PARAMETER_555
    words = (value or "").upper().split(",")
    known = {"NEVER"} if len(words) == 1 else set()
    if not set(words) <= known | {"SUCCESS", "FAILURE", "DELAY"}:
        return replies.SYNTAX_501
    return replace(recipient, notify=frozenset(words))


def _orcpt(session: Session, recipient: Recipient, value: str | None) -> Recipient | Reply:
    """RFC 3461 §4.2"""
    if not _offers_dsn(session):
        return replies.UNKNOWN_PARAMETER_555
    if value is None or len(value) > ORIGINAL_LIMIT:
        return replies.SYNTAX_501
    try:
        return replace(recipient, original=grammar.parse_original_recipient(value))
    except Invalid:
        return replies.SYNTAX_501


def _offers_dsn(session: Session) -> bool:
    """Who delivers by LMTP reports himself; to strangers reports.believed is applied."""
    return not session.role.is_lmtp


def extension_dsn(session: Session) -> str:
    """EHLO's line, RFC 3461 §4."""
    return "DSN" if _offers_dsn(session) else ""


MAIL_PARAMETERS: Mapping[str, MailParameter] = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": _smtputf8,
    "AUTH": _auth,
    "RET": _ret,
    "ENVID": _envid,
    "REQUIRETLS": parameters_sending.require_tls,
    "BY": parameters_sending.deliver_by,
    "HOLDFOR": parameters_sending.hold_for,
    "HOLDUNTIL": parameters_sending.hold_until,
    "MT-PRIORITY": parameters_sending.priority,
}

RCPT_PARAMETERS: Mapping[str, RcptParameter] = {"NOTIFY": _notify, "ORCPT": _orcpt}
