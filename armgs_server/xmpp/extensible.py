# SPDX-License-Identifier: Apache-2.0
"""XEP-0388 on a stream: one `<authenticate/>` to its end, by a mechanism of RFC 6120 §6 or by a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from armgs_server.directory import Principal
from armgs_server.directory.exchange import Failure, Success
from armgs_server.directory.sasl import Challenge
from armgs_server.directory.tokens import Accepted, Claim, Given
from armgs_server.errors import Denied, Invalid, Temporary
from armgs_server.xmpp.authentication import Authentication
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.server import Server
from armgs_server.xmpp.stanza import Stanza
from armgs_server.xmpp.transport import Transport
from armgs_server.xmpp.xeps import xep_0388_sasl2 as sasl2
from armgs_server.xmpp.xeps import xep_0484_fast as fast


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The end of it. `request` says what the client wants besides."""

    principal: Principal
    data: bytes | None
    given: Given | None
    device: str
    has_password: bool
    request: sasl2.Request


Outcome: TypeAlias = "Challenge | Failure | LoggedIn"


class Extensible:
    """One try; `from_` is who the client has said to be in its stream header."""

    def __init__(
        self, server: Server, stream: Transport, attempt: Authentication, domain: str, from_: str
    ) -> None:
        self._server = server
        self._stream = stream
        self._attempt = attempt
        self._domain = domain
        self._from = from_
        self._request: sasl2.Request | None = None

    async def handle(self, nonza: Stanza) -> Outcome:
        """Takes `<authenticate/>`, `<response/>` or `<abort/>`."""
        outcome = await self._handle(nonza)
        if isinstance(outcome, Failure):
            self._attempt.failures += 1
        return outcome

    async def _handle(self, nonza: Stanza) -> Outcome:
        exchange = self._attempt.exchange
        try:
            if nonza.name == "authenticate":
                self._request = request = sasl2.parse(nonza)
                if request.use is not None:
                    return await self._use_token(request, request.use)
                answer = await exchange.start(request.mechanism, request.initial)
            elif nonza.name == "response":
                answer = await exchange.respond(sasl2.decode(nonza.tree().text or ""))
            else:
                return Failure("aborted", "")
        except Invalid as error:
            return Failure("incorrect-encoding", error.text)
        if not isinstance(answer, Success):
            return answer
        assert self._request is not None  # a response alone is refused by the exchange
        return await self._succeed(self._request, answer.principal, answer.data)

    async def _succeed(self, request: sasl2.Request, person: Principal, data: bytes | None) -> Outcome:
        if not await self._is_from(person):
            return Failure("invalid-authzid", "the stream is from somebody else")
        app_password = self._attempt.exchange.app_password
        tokens = self._server.directory.auth.tokens
        offered = tokens.mechanisms(self._attempt.channel_bindings)
        wants = request.wants if request.wants in offered else ""
        try:
            given = await tokens.note(person, request.agent, app_password, wants)
        except Temporary as error:
            return Failure("temporary-auth-failure", error.text)
        device = tokens.device_id(person.id, request.agent)
        return LoggedIn(person, data, given, device, not app_password, request)

    async def _use_token(self, request: sasl2.Request, use: fast.Use) -> Outcome:
        """XEP-0484 §3.4."""
        stream, auth = self._stream, self._server.directory.auth
        if not auth.is_permitted(stream.is_tls):
            return Failure("encryption-required", "log-in needs TLS here")
        offered = auth.tokens.mechanisms(self._attempt.channel_bindings)
        if request.mechanism not in offered or request.initial is None:
            return Failure("invalid-mechanism", "this mechanism is not offered")
        claim = Claim(
            service="xmpp",
            peer=stream.peer,
            is_tls=stream.is_tls,
            channel_binding=self._attempt.channel_binding,
            domain=self._domain,
            mechanism=request.mechanism,
            message=request.initial,
            agent=request.agent,
            count=use.count,
            is_last=use.invalidate,
            wants=request.wants if request.wants in offered else "",
        )
        try:
            answer = await auth.tokens.authenticate(claim)
        except Denied as error:
            return Failure("not-authorized", error.text)
        except Temporary as error:
            return Failure("temporary-auth-failure", error.text)
        if not isinstance(answer, Accepted):
            return Failure(answer.condition, answer.text)
        if not await self._is_from(answer.principal):
            return Failure("invalid-authzid", "the stream is from somebody else")
        device = auth.tokens.device_id(answer.principal.id, request.agent)
        return LoggedIn(answer.principal, answer.data, answer.given, device, False, request)

    async def _is_from(self, person: Principal) -> bool:
        """XEP-0388 §2.3: whoever the stream is from must be the one who logs in, by this name or an alias."""
        if not self._from:
            return True
        try:
            bare = parse(self._from).bare
        except Invalid:
            return False
        if bare == person.address:
            return True
        named = await self._server.directory.by_address(bare)
        return named is not None and named.id == person.id
