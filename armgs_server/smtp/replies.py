# SPDX-License-Identifier: Apache-2.0
"""Replies: RFC 5321 §4.2 codes with RFC 3463 enhanced codes (RFC 2034), as named constants.

The code is in the name. Texts may be shown to people, so they say what to do; they hold nothing that a
stranger may not learn. RFC 2034 §4: no enhanced code on the greeting, on HELO/EHLO and on 3xx.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply; more than one line makes a multi-line reply (RFC 5321 §4.2.1)."""

    code: int
    enhanced: str
    lines: tuple[str, ...]
    wire: bytes

    @property
    def is_positive(self) -> bool:
        """2xx and 3xx."""
        return self.code < 400

    def with_text(self, text: str) -> Reply:
        """The same codes with another text."""
        return reply(self.code, self.enhanced, text)


def reply(code: int, enhanced: str, *lines: str) -> Reply:
    """A reply with its bytes made once; line breaks and controls in a text cannot break the protocol."""
    prefix = f"{enhanced} " if enhanced else ""
    clean = [line if line.isprintable() else _one_line(line) for line in lines or ("",)]
    parts = [f"{code}-{prefix}{line}\r\n" for line in clean[:-1]]
    parts.append(f"{code} {prefix}{clean[-1]}\r\n")
    return Reply(code, enhanced, lines, "".join(parts).encode("utf-8"))


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


HELD_250 = reply(250, "2.1.5", "A moderator of the list decides")
PRIORITY_LOWERED_250 = reply(250, "2.3.6", "Sender OK; the priority was lowered")
OK_250 = reply(250, "2.0.0", "OK")
RESET_250 = reply(250, "2.0.0", "Reset")
SENDER_OK_250 = reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK_250 = reply(250, "2.1.5", "Recipient OK")
CHUNK_OK_250 = reply(250, "2.0.0", "Chunk received")
CLOSING_221 = reply(221, "2.0.0", "Goodbye")
READY_TLS_220 = reply(220, "2.0.0", "Ready to start TLS")
AUTHENTICATED_235 = reply(235, "2.7.0", "Authentication succeeded")
CANNOT_VERIFY_252 = reply(252, "2.0.0", "Cannot verify the address; send to it and delivery is attempted")
HELP_214 = reply(
    214,
    "2.0.0",
    "Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP STARTTLS AUTH",
    "The protocol is RFC 5321; your mail program speaks it for you",
)
START_MAIL_354 = reply(354, "", "Start mail input; end with <CRLF>.<CRLF>")

TOO_BUSY_421 = reply(421, "4.3.2", "Too many connections; try again shortly")
SHUTTING_DOWN_421 = reply(421, "4.3.2", "The server is stopping; try again shortly")
TIMEOUT_421 = reply(421, "4.4.2", "Timeout")
TOO_MANY_ERRORS_421 = reply(421, "4.7.0", "Too many errors")
MAILBOX_FULL_452 = reply(452, "4.2.2", "The mailbox is full")
TOO_MANY_RECIPIENTS_452 = reply(452, "4.5.3", "Too many recipients; send the rest in another message")
STORE_FAILED_451 = reply(451, "4.3.0", "The message cannot be stored now; try again later")
FAILED_451 = reply(451, "4.3.0", "Local error; try again later")
TEMPORARY_AUTH_454 = reply(454, "4.7.0", "Temporary authentication failure")
TLS_UNAVAILABLE_454 = reply(454, "4.7.0", "TLS is not available")

LINE_TOO_LONG_500 = reply(500, "5.5.6", "Line too long")
NOT_CRLF_500 = reply(500, "5.5.2", "A command ends with CR LF")
NOT_UTF8_500 = reply(500, "5.5.2", "The command is not UTF-8")
UNKNOWN_COMMAND_500 = reply(500, "5.5.1", "Unknown command")
SYNTAX_501 = reply(501, "5.5.4", "Syntax error in the arguments")
BAD_SENDER_501 = reply(501, "5.1.7", "Bad sender address")
BAD_RECIPIENT_501 = reply(501, "5.1.3", "Bad recipient address")
TOO_LATE_501 = reply(501, "5.5.4", "Mail is not held for so long")
CANCELLED_501 = reply(501, "5.7.0", "Authentication cancelled")
BAD_BASE64_501 = reply(501, "5.5.2", "The response is not base64")
NOT_IMPLEMENTED_502 = reply(502, "5.5.1", "Not implemented here")
BAD_SEQUENCE_503 = reply(503, "5.5.1", "Bad sequence of commands")
NEED_MAIL_503 = reply(503, "5.5.1", "MAIL is needed first")
NEED_GREETING_503 = reply(503, "5.5.1", "Say EHLO first")
PIPELINED_TLS_503 = reply(503, "5.5.1", "Nothing may follow STARTTLS before the handshake")
NO_RECIPIENTS_554 = reply(554, "5.5.1", "No valid recipients")
BAD_MECHANISM_504 = reply(504, "5.5.4", "Authentication mechanism not offered")
AUTH_REQUIRED_530 = reply(530, "5.7.0", "Authentication required")
TLS_REQUIRED_530 = reply(530, "5.7.0", "Give STARTTLS first")
AUTH_FAILED_535 = reply(535, "5.7.8", "User name or password is wrong")
ENCRYPTION_REQUIRED_538 = reply(538, "5.7.11", "Encryption is required for this mechanism")
NO_SUCH_USER_550 = reply(550, "5.1.1", "No such address here")
LOOP_554 = reply(554, "5.4.6", "The message goes round in a loop")
NO_RELAY_550 = reply(550, "5.7.1", "This server takes mail only for its own domains")
NOT_YOUR_ADDRESS_550 = reply(550, "5.7.1", "You may not send from this address")
DISABLED_550 = reply(550, "5.2.1", "This mailbox is disabled")
NOT_A_POSTER_550 = reply(550, "5.7.2", "You may not write to this list")
LOG_IN_TO_ASK_550 = reply(550, "5.7.1", "Log in to ask this of the server")
AUTOMATIC_TO_LIST_550 = reply(550, "5.7.1", "A list takes no automatic replies")
PROGRAM_TO_FORM_550 = reply(550, "5.7.1", "A form is filled in by people, not by programs")
LMTP_ONLY_550 = reply(550, "5.7.1", "This port is for mail servers that this one knows")
NO_XCLIENT_550 = reply(550, "5.7.0", "XCLIENT is not for you")
NO_MAILBOX_550 = reply(550, "5.2.1", "This address takes no mail")
EMPTY_LIST_550 = reply(550, "5.2.4", "The list has no members")
NULL_TO_LIST_550 = reply(550, "5.7.1", "A list takes no delivery reports")
TOO_LARGE_552 = reply(552, "5.3.4", "The message is larger than this server takes")
HEADER_TOO_LARGE_552 = reply(552, "5.3.4", "The message's header is larger than this server takes")
NEED_UTF8_553 = reply(553, "5.6.7", "The address needs SMTPUTF8, which the message did not ask for")
NEED_BDAT_503 = reply(503, "5.6.1", "BODY=BINARYMIME needs BDAT")
NOT_YOUR_HEADER_554 = reply(554, "5.7.1", "The From: address is not one you may send as")
UNKNOWN_PARAMETER_555 = reply(555, "5.5.4", "Parameter not known")
