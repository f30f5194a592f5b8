# SPDX-License-Identifier: Apache-2.0
"""Parameters of MAIL that say how a message is to be sent on: when, how soon, how well protected.

RFC 8689 (REQUIRETLS), RFC 2852 (DELIVERBY), RFC 4865 (FUTURERELEASE), RFC 6710 (MT-PRIORITY), and what EHLO
says of each.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from armgs_server.smtp import header, replies
from armgs_server.smtp.replies import Reply
from armgs_server.smtp.transaction import Transaction
from armgs_server.storage import clock

if TYPE_CHECKING:
    from armgs_server.smtp.session import Session

# RFC 2852 §4: by-value = by-time ";" by-mode [by-trace]; by-time = ["-" / "+"] 1*9digit
_BY = re.compile(r"([+-]?[0-9]{1,9});([NR])(T?)", re.IGNORECASE)
# RFC 6710 §4: priority-value = (["-"] NZDIGIT) / "0"
_PRIORITY = re.compile(r"-?[1-9]|0")
# RFC 4865 §4: future-release-interval = 1*9DIGIT
_INTERVAL = re.compile(r"[0-9]{1,9}")


def require_tls(session: Session, transaction: Transaction, value: str | None) -> Reply | None:
    """RFC 8689 §4.1: nobody may ask for it over a connection without TLS."""
    if not session.stream.is_tls:
        return replies.UNKNOWN_PARAMETER_555
    transaction.needs_tls = True
    return None if value is None else replies.SYNTAX_501


def deliver_by(session: Session, transaction: Transaction, value: str | None) -> Reply | None:
    """RFC 2852 §4: within so many seconds, else return it (R) or tell the sender (N)."""
    match = _BY.fullmatch(value or "")
    if match is None:
        return replies.SYNTAX_501
    seconds, mode = int(match[1]), match[2].upper()
    if mode == "R" and seconds <= 0:
        return replies.SYNTAX_501
    transaction.deliver_by = (clock.now() + seconds * clock.SECOND, mode + match[3].upper())
    return None


def hold_for(session: Session, transaction: Transaction, value: str | None) -> Reply | None:
    """RFC 4865 §4: HOLDFOR, in seconds from now."""
    if not extension_future_release(session):
        return replies.UNKNOWN_PARAMETER_555
    if not _INTERVAL.fullmatch(value or ""):
        return replies.SYNTAX_501
    return _hold(session, transaction, clock.now() + int(value or 0) * clock.SECOND)


def hold_until(session: Session, transaction: Transaction, value: str | None) -> Reply | None:
    """RFC 4865 §4: HOLDUNTIL, a date-time of RFC 3339."""
    if not extension_future_release(session):
        return replies.UNKNOWN_PARAMETER_555
    try:
        moment = datetime.fromisoformat(value or "")
    except ValueError:
        return replies.SYNTAX_501
    if moment.tzinfo is None:
        return replies.SYNTAX_501
    return _hold(session, transaction, round(moment.timestamp()) * clock.SECOND)


def priority(session: Session, transaction: Transaction, value: str | None) -> Reply | None:
    """RFC 6710 §4.1: a stranger's mail is not more urgent than others'."""
    if not _PRIORITY.fullmatch(value or ""):
        return replies.SYNTAX_501
    wanted = int(value or 0)
    allowed = session.core.config.smtp.priority if session.principal is not None else 0
    transaction.priority = min(wanted, allowed)
    transaction.is_priority_lowered = wanted > allowed
    return None


def extension_require_tls(session: Session) -> str:
    """RFC 8689 §3: offered where it can be asked for."""
    return "REQUIRETLS" if session.stream.is_tls else ""


def extension_future_release(session: Session) -> str:
    """RFC 4865 §3: the longest interval, and the date it leads to; people only."""
    longest = round(session.core.config.smtp.future_release)
    if not longest or not session.role.is_submission:
        return ""
    until = header.moment_of(clock.now() + longest * clock.SECOND)
    return f"FUTURERELEASE {longest} {until:%Y-%m-%dT%H:%M:%SZ}"


def extension_limits(session: Session) -> str:
    """RFC 9422 §3."""
    return f"LIMITS RCPTMAX={session.core.config.smtp.recipients}"


def _hold(session: Session, transaction: Transaction, release: int) -> Reply | None:
    if transaction.release:  # RFC 4865 §4: only one of the two
        return replies.SYNTAX_501
    longest = round(session.core.config.smtp.future_release) * clock.SECOND
    if release > clock.now() + longest:
        return replies.TOO_LATE_501
    transaction.release = release
    return None
