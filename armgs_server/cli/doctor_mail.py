# SPDX-License-Identifier: Apache-2.0
"""Mail as clients use it: every way to log in, and a message from submission to the mailbox."""

from __future__ import annotations

import imaplib
import poplib
import secrets
import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate

from armgs_server.cli.probes import TIMEOUT, ProbeFailed, Target

ARRIVES_WITHIN = 30.0  # seconds
LOOK = 0.1


def imap_starttls(target: Target) -> str:
    """RFC 9051 §6.2.1, with LOGIN."""
    client = imaplib.IMAP4(target.host, target.port, timeout=TIMEOUT)
    try:
        client.starttls(target.context)
        client.login(target.address, target.password)
        client.logout()
        return "LOGIN"
    finally:
        _hang_up(client)


def pop3s(target: Target) -> str:
    """RFC 8314: USER and PASS over TLS."""
    client = poplib.POP3_SSL(target.host, target.port, timeout=TIMEOUT, context=target.context)
    return _pop3(client, target)


def pop3_starttls(target: Target) -> str:
    """RFC 2595 §4."""
    client = poplib.POP3(target.host, target.port, timeout=TIMEOUT)
    try:
        client.stls(target.context)
    except OSError:
        _hang_up(client)
        raise
    return _pop3(client, target)


def _pop3(client: poplib.POP3, target: Target) -> str:
    try:
        client.user(target.address)
        client.pass_(target.password)
        seen = f"STAT {client.stat()[0]}"
        client.quit()
        return seen
    finally:
        _hang_up(client)


def smtp_stranger(target: Target) -> str:
    """RFC 5321 §3.3: another server brings mail; nothing is sent in the end."""
    with smtplib.SMTP(target.host, target.port, timeout=TIMEOUT) as client:
        client.ehlo()
        if client.has_extn("starttls"):
            client.starttls(context=target.context)
            client.ehlo()
        client.mail("")
        code, text = client.rcpt(target.address)
        if code != 250:
            raise ProbeFailed(f"RCPT: {code} {text.decode('utf-8', 'replace')}")
        client.rset()
        return "RCPT 250"


def round_trip(submission: Target, imaps: Target) -> str:
    """A message to oneself: submitted, filed, seen by a mailbox that is open."""
    number = f"{secrets.token_hex(12)}@{submission.address.partition('@')[2]}"
    message = EmailMessage()
    message["From"] = message["To"] = submission.address
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{number}>"
    message["Subject"] = "armgs doctor"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: nobody's rules are to answer it
    message.set_content("armgs doctor\n")
    with _mailbox(imaps) as mailbox:
        begin = time.monotonic()
        with smtplib.SMTP_SSL(
            submission.host, submission.port, timeout=TIMEOUT, context=submission.context
        ) as client:
            client.login(submission.address, submission.password)
            client.send_message(message)
        while not _has(mailbox, number):
            if time.monotonic() - begin > ARRIVES_WITHIN:
                raise ProbeFailed(f"not in INBOX after {ARRIVES_WITHIN:.0f} s")
            time.sleep(LOOK)
        return f"{(time.monotonic() - begin) * 1000:.0f} ms"


@contextmanager
def _mailbox(target: Target) -> Iterator[imaplib.IMAP4]:
    client = imaplib.IMAP4_SSL(target.host, target.port, ssl_context=target.context, timeout=TIMEOUT)
    try:
        client.login(target.address, target.password)
        client.select("INBOX")
        yield client
        client.logout()
    finally:
        _hang_up(client)


def _has(mailbox: imaplib.IMAP4, number: str) -> bool:
    mailbox.noop()
    _, found = mailbox.search(None, "HEADER", "Message-ID", number)
    return bool(found[0])


def _hang_up(client: imaplib.IMAP4 | poplib.POP3) -> None:
    """Whatever the connection is by now: after a handshake that failed, shutdown(2) would be an error."""
    for part in (client.file, client.sock):
        if part is not None:
            part.close()
