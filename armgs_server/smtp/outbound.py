# SPDX-License-Identifier: Apache-2.0
"""Hands one message to one server of another domain, through aiosmtplib (RFC 5321 §3.3, RFC 3207)."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import aiosmtplib

from armgs_server.smtp.grammar import serialise_xtext
from armgs_server.smtp.routing import Host

# The goodbye is a courtesy: the message is settled before it.
QUIT_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent, and what the other server must know or be able to do."""

    sender: str
    text: bytes
    needs_utf8: bool = False
    is_8bit: bool = False
    returned: str = ""  # RET
    envelope_id: str = ""  # ENVID


@dataclass(frozen=True, slots=True)
class Target:
    """One recipient, with the DSN parameters to pass on where the server knows them (RFC 3461 §5.2.1)."""

    address: str
    notify: tuple[str, ...] = ()
    original: tuple[str, str] | None = None

    @property
    def options(self) -> list[str]:
        """The parameters of RCPT."""
        options = [f"NOTIFY={','.join(self.notify)}"] if self.notify else []
        if self.original and (self.original[0] + self.original[1]).isascii():
            options.append(f"ORCPT={self.original[0]};{serialise_xtext(self.original[1])}")
        return options


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's last word on a recipient; code 250 is a delivery."""

    code: int
    status: str
    text: str
    host: str
    reports: bool = False  # the server has taken over the duty to report success

    @property
    def is_delivered(self) -> bool:
        """2xx."""
        return 200 <= self.code < 300

    @property
    def is_permanent(self) -> bool:
        """5xx: no other server and no later attempt will say otherwise."""
        return self.code >= 500

    @property
    def diagnostic(self) -> str:
        """As a report quotes it."""
        return f"{self.code} {self.text}" if self.code else self.text


class Unreachable(Exception):
    """The server cannot be talked to; the next one may be tried."""


class NoTls(Unreachable):
    """TLS with the server has failed."""


async def send(
    host: Host, message: Message, recipients: Sequence[Target], *, hostname: str, tls: str, timeout: float
) -> dict[str, Answer]:
    """The server's answer for each recipient. Unreachable when it gives none."""
    try:
        return await _send(host, message, recipients, hostname, tls, timeout)
    except NoTls:
        if tls != "opportunistic":
            raise
        # RFC 3207 §4.1 leaves the choice to us: mail in clear text goes where it would have gone anyway.
        return await _send(host, message, recipients, hostname, "none", timeout)


async def _send(
    host: Host, message: Message, recipients: Sequence[Target], hostname: str, tls: str, timeout: float
) -> dict[str, Answer]:
    client = aiosmtplib.SMTP(
        hostname=host.address,
        port=host.port,
        local_hostname=hostname,
        timeout=timeout,
        start_tls=False,
    )
    try:
        await client.connect()
        await _greet(client)
        if tls != "none":
            await _start_tls(client, host, tls)
        return await _transact(client, host, message, recipients)
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise Unreachable(f"{host.name}: {error}") from error
    finally:
        if client.is_connected:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=QUIT_TIMEOUT)
        client.close()


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


async def _start_tls(client: aiosmtplib.SMTP, host: Host, tls: str) -> None:
    if not client.supports_extension("starttls"):
        if tls == "required":
            raise NoTls(f"{host.name} offers no TLS")
        return
    context = ssl.create_default_context()
    if tls == "opportunistic":
        # RFC 7435: encryption without authentication is better than none.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        await client.starttls(server_hostname=host.name, tls_context=context)
        await client.ehlo()
    except (aiosmtplib.SMTPException, OSError) as error:
        raise NoTls(f"{host.name}: {error}") from error


async def _transact(
    client: aiosmtplib.SMTP, host: Host, message: Message, recipients: Sequence[Target]
) -> dict[str, Answer]:
    if message.needs_utf8 and not client.supports_extension("smtputf8"):
        answer = Answer(550, "5.6.7", "The server does not take UTF-8 addresses", host.name)
        return {target.address: answer for target in recipients}
    reports = client.supports_extension("dsn")
    options = _mail_options(client, message, reports)
    encoding = "utf-8" if message.needs_utf8 else "ascii"
    answers: dict[str, Answer] = {}
    try:
        await client.mail(message.sender, options=options, encoding=encoding)
    except aiosmtplib.SMTPResponseException as error:
        return {target.address: _answer(error.code, error.message, host) for target in recipients}
    accepted: list[str] = []
    for target in recipients:
        try:
            await client.rcpt(target.address, options=target.options if reports else [], encoding=encoding)
            accepted.append(target.address)
        except aiosmtplib.SMTPResponseException as error:
            answers[target.address] = _answer(error.code, error.message, host)
    if accepted:
        try:
            response = await client.data(message.text)
            answer = _answer(response.code, response.message, host, reports)
        except aiosmtplib.SMTPResponseException as error:
            answer = _answer(error.code, error.message, host)
        answers.update(dict.fromkeys(accepted, answer))
    return answers


def _mail_options(client: aiosmtplib.SMTP, message: Message, reports: bool) -> list[str]:
    options = []
    if client.supports_extension("size"):
        options.append(f"SIZE={len(message.text)}")
    if message.is_8bit and client.supports_extension("8bitmime"):
        options.append("BODY=8BITMIME")
    if message.needs_utf8:
        options.append("SMTPUTF8")
    if reports and message.returned:
        options.append(f"RET={message.returned}")
    if reports and message.envelope_id:
        options.append(f"ENVID={serialise_xtext(message.envelope_id)}")
    return options


def _answer(code: int, text: str, host: Host, reports: bool = False) -> Answer:
    """A reply with the enhanced code that begins its text (RFC 2034), or one made from its class."""
    first, _, _ = text.partition(" ")
    parts = first.split(".")
    is_enhanced = len(parts) == 3 and all(part.isdigit() for part in parts) and parts[0] == str(code)[0]
    status = first if is_enhanced else f"{str(code)[0]}.0.0"
    return Answer(code, status, text.replace("\n", " "), host.name, reports)
