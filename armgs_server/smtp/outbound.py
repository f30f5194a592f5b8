# SPDX-License-Identifier: Apache-2.0
"""Hands messages to servers of other domains, over connections that serve again while more is to go.

Invariants:
- A message goes only over a connection that is protected as its host's policy and the message itself want.
- A connection used before may have died meanwhile: what fails on it at once is tried on a fresh one.
- A server is never asked for what it does not offer; what it cannot take is converted, or refused here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from armgs_server.config import Config
from armgs_server.net.deadlines import Deadlines
from armgs_server.net.dial import dial
from armgs_server.smtp import downgrade, protection
from armgs_server.smtp.client import Broken, Client
from armgs_server.smtp.downgrade import CannotConvert
from armgs_server.smtp.envelope import Answer, Message, Target
from armgs_server.smtp.grammar import serialise_xtext
from armgs_server.smtp.protection import Mode, Protection, Unprotected
from armgs_server.smtp.routing import Host
from armgs_server.trust.model import Departure, Seal

# Messages over one connection, where the server has no limit of its own.
MESSAGES = 100
CONVERTED_ON_THE_LOOP = 64 * 1024


class Unreachable(Exception):
    """The server cannot be talked to; the next one may be tried."""


class NoTls(Unreachable):
    """TLS with the server has failed; `kind` is the result type of RFC 8460 §4.3."""

    def __init__(self, text: str, kind: str = "validation-failure", policy: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.policy = policy  # which one forbids the host before it is talked to


@dataclass(frozen=True, slots=True)
class _Idle:
    client: Client
    timer: asyncio.TimerHandle


Key = tuple[Host, Protection]


class Outbound:
    """The connections of one process to other servers. `close` ends those that wait.

    `seal` gives the fields to write above a message as it goes.
    """

    def __init__(self, config: Config, seal: Seal | None = None) -> None:
        self._config = config
        self._seal = seal
        self._loop = asyncio.get_running_loop()
        self._deadlines = Deadlines(self._loop)
        self._idle: dict[Key, list[_Idle]] = defaultdict(list)
        self._goodbyes: set[asyncio.Task[None]] = set()

    async def send(
        self, host: Host, message: Message, recipients: Sequence[Target], wanted: Protection
    ) -> dict[str, Answer]:
        """The server's answer for each recipient. Unreachable when it gives none."""
        waiting = self._take(host, wanted)
        if waiting is not None:
            try:
                await waiting.reset()
            except Broken:
                waiting.close()
            else:
                return await self._send(waiting, host, message, recipients, wanted)
        try:
            client = await self._open(host, wanted)
        except NoTls:
            if wanted.is_mandatory:
                raise
            # RFC 3207 §4.1 leaves the choice to us: mail in clear text goes where it would have gone anyway.
            client = await self._open(host, Protection(Mode.NONE))
        return await self._send(client, host, message, recipients, wanted)

    async def close(self) -> None:
        """Ends what waits."""
        for waiting in self._idle.values():
            for each in waiting:
                each.timer.cancel()
                each.client.close()
        self._idle.clear()
        for task in self._goodbyes:
            task.cancel()
        await asyncio.gather(*self._goodbyes, return_exceptions=True)
        self._deadlines.close()

    # Private.

    async def _send(
        self,
        client: Client,
        host: Host,
        message: Message,
        recipients: Sequence[Target],
        wanted: Protection,
    ) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}
        most = client.limits.get("RCPTMAX") or len(recipients)  # RFC 9422 §4.2
        try:
            fit = partial(fitted, client.extensions, message, host.name, client.stream.is_tls)
            # What is converted costs some 20 ms a megabyte.
            fitting = await asyncio.to_thread(fit) if len(message.text) > CONVERTED_ON_THE_LOOP else fit()
            if isinstance(fitting, Answer):
                answers = {target.address: fitting for target in recipients}
                most = 0
            else:
                fitting = await self._sealed(fitting)
                options = mail_options(client.extensions, fitting)
                for start in range(0, len(recipients), most):
                    answers |= await client.send(fitting, recipients[start : start + most], options)
        except Broken as error:
            client.close()
            if answers:  # the first of several transactions stand; the rest is tried again
                lost = Answer(0, "4.4.2", str(error), host.name)
                return {target.address: answers.get(target.address, lost) for target in recipients}
            raise Unreachable(f"{host.name}: {error}") from error
        except BaseException:
            client.close()
            raise
        await self._give_back(client, host, wanted)
        return answers

    async def _sealed(self, message: Message) -> Message:
        """RFC 6376 §5.3: signed as it goes, whatever was converted for this server."""
        if self._seal is None:
            return message
        made = await self._seal(Departure(message.text, message.sender, message.author))
        return replace(message, text=made + message.text)

    async def _open(self, host: Host, wanted: Protection) -> Client:
        """A connection that is greeted and protected."""
        settings = self._config.smtp
        client: Client | None = None
        try:
            async with asyncio.timeout(settings.relay_connect_timeout):
                stream = await dial(
                    host.address, host.port, self._config.limits, self._deadlines, trace=_trace(self._config)
                )
            client = Client(stream, host.name, settings.relay_timeout)
            await client.greet(self._config.server.hostname)
            await self._protect(client, host, wanted)
            if host.login:
                await self._login(client, host.login)
            return client
        except Unreachable:
            _close(client)
            raise
        except (Broken, OSError, TimeoutError) as error:
            _close(client)
            raise Unreachable(f"{host.name}: {str(error) or 'no connection in time'}") from error
        except BaseException:
            _close(client)
            raise

    async def _protect(self, client: Client, host: Host, wanted: Protection) -> None:
        if wanted.mode is Mode.NONE:
            return
        if "STARTTLS" not in client.extensions:
            if wanted.is_mandatory:
                raise NoTls(f"{host.name} offers no TLS", "starttls-not-supported")
            return
        ca = self._config.path(self._config.smtp.relay_ca) if self._config.smtp.relay_ca else None
        name = "" if host.name.startswith("[") else host.name
        try:
            context = protection.context_for(wanted, ca)
            await client.start_tls(context, name, self._config.server.hostname)
            if client.stream.tls is not None:
                protection.check(client.stream.tls, wanted)
        except ssl.SSLError as error:
            raise NoTls(f"{host.name}: {error}", protection.kind_of(error)) from error
        except Unprotected as error:
            raise NoTls(f"{host.name}: {error}", error.kind) from error
        except (Broken, OSError, TimeoutError) as error:
            raise NoTls(f"{host.name}: {error}") from error

    async def _login(self, client: Client, login: str) -> None:
        user, _, password = login.partition(":")
        if not client.stream.is_tls and not self._config.security.allow_plaintext:
            raise NoTls(f"{client.host} offers no TLS, and the password is not sent without")
        await client.login(user, password)

    def _take(self, host: Host, wanted: Protection) -> Client | None:
        waiting = self._idle.get((host, wanted))
        if not waiting:
            return None
        found = waiting.pop()
        found.timer.cancel()
        if not waiting:
            del self._idle[host, wanted]
        return found.client

    async def _give_back(self, client: Client, host: Host, wanted: Protection) -> None:
        """It waits for the next message to the same host, a little while."""
        idle = self._config.smtp.relay_idle
        if not idle or client.messages >= (client.limits.get("MAILMAX") or MESSAGES):
            await client.quit()
            return
        timer = self._loop.call_later(idle, partial(self._expire, (host, wanted), client))
        self._idle[host, wanted].append(_Idle(client, timer))

    def _expire(self, key: Key, client: Client) -> None:
        self._idle[key] = [each for each in self._idle[key] if each.client is not client]
        if not self._idle[key]:
            del self._idle[key]
        task = self._loop.create_task(client.quit())
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)


def fitted(extensions: Mapping[str, str], message: Message, host: str, is_tls: bool) -> Message | Answer:
    """The message as this server can take it, or why it cannot."""
    if message.needs_tls and not (is_tls and "REQUIRETLS" in extensions):
        # RFC 8689 §4.2.1: "the server does not advertise the REQUIRETLS SMTP extension"
        return Answer(550, "5.7.30", "REQUIRETLS support required", host)
    if message.needs_utf8 and "SMTPUTF8" not in extensions:
        return Answer(550, "5.6.7", "The server does not take UTF-8 addresses", host)
    if (
        message.deliver_by is not None
        and message.deliver_by[1].startswith("R")
        and "DELIVERBY" not in extensions
    ):
        # RFC 2852 §4.1.4: what must arrive in time is not given to who promises nothing.
        return Answer(550, "5.4.7", "The server knows no delivery within a time", host)
    limit = extensions.get("SIZE", "")
    if limit.isdigit() and 0 < int(limit) < len(message.text):  # RFC 1870 §6.2
        return Answer(552, "5.3.4", f"The message is larger than the {limit} octets the server takes", host)
    try:
        if message.is_binary and not {"BINARYMIME", "CHUNKING"} <= extensions.keys():
            text = downgrade.without_binary(message.text, is_8bit="8BITMIME" in extensions)
            message = replace(message, text=text, is_binary=False, is_8bit=not text.isascii())
        elif message.is_8bit and "8BITMIME" not in extensions:
            message = replace(message, text=downgrade.to_7bit(message.text), is_8bit=False)
    except CannotConvert as error:
        return Answer(554, "5.6.3", str(error), host)  # RFC 3463 §3.7: conversion required, not supported
    return message


def mail_options(extensions: Mapping[str, str], message: Message) -> list[str]:
    """The parameters of MAIL that the server knows and the message has use for."""
    options: list[str] = []
    if "SIZE" in extensions:
        options.append(f"SIZE={len(message.text)}")
    if message.is_binary:
        options.append("BODY=BINARYMIME")
    elif message.is_8bit and "8BITMIME" in extensions:
        options.append("BODY=8BITMIME")
    if message.needs_utf8:
        options.append("SMTPUTF8")
    if message.needs_tls:
        options.append("REQUIRETLS")
    if message.returned and "DSN" in extensions:
        options.append(f"RET={message.returned}")
    if message.envelope_id and "DSN" in extensions:
        options.append(f"ENVID={serialise_xtext(message.envelope_id)}")
    if message.priority and "MT-PRIORITY" in extensions:
        options.append(f"MT-PRIORITY={message.priority}")
    if message.deliver_by is not None and "DELIVERBY" in extensions:
        options.append(f"BY={message.deliver_by[0]};{message.deliver_by[1]}")
    return options


def _trace(config: Config) -> str:
    return "smtp" if "smtp" in config.log.trace else ""


def _close(client: Client | None) -> None:
    if client is not None:
        client.close()
