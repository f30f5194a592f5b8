# SPDX-License-Identifier: Apache-2.0
"""One SASL exchange: takes the client's messages, gives the machine of the mechanism what it asks for.

Whatever happens is an answer: Challenge, Success or Failure. Data are plain bytes; the protocols do the
base64, and answer their own way when the client gives up (RFC 4422 §3.5). After a Failure the same exchange
may be started again; how often is the session's to bound.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from armgs_server import log
from armgs_server.directory import scopes
from armgs_server.directory.bearer import Bearer, CheckToken
from armgs_server.directory.model import Disabled, Expired, Principal
from armgs_server.directory.oauth_model import Bearing, device_mark
from armgs_server.directory.passwords import SCRAM_SHA_1, SCRAM_SHA_256
from armgs_server.directory.sasl import (
    Certified,
    Challenge,
    ChannelBinding,
    CheckPassword,
    External,
    Login,
    Machine,
    Plain,
    Proven,
    SaslError,
    Scram,
    Step,
    WantKeys,
)
from armgs_server.directory.scram import Hash, offer_digest
from armgs_server.errors import Denied, Temporary

if TYPE_CHECKING:
    from armgs_server.directory.auth import Auth

NONCE_SIZE: Final = 18  # bytes: 24 characters of base64 (RFC 5802 §5.1 wants a printable text)
# mechanism -> hash function, kind of credential, size of a key
_SCRAM: Final[dict[str, tuple[Hash, str, int]]] = {
    "SCRAM-SHA-1": ("sha1", SCRAM_SHA_1, 20),
    "SCRAM-SHA-256": ("sha256", SCRAM_SHA_256, 32),
}
_SIMPLE: Final[dict[str, Callable[[], Machine | Bearer]]] = {
    "PLAIN": Plain,
    "LOGIN": Login,
    "EXTERNAL": External,
    "OAUTHBEARER": lambda: Bearer("OAUTHBEARER"),
    "XOAUTH2": lambda: Bearer("XOAUTH2"),
}
_PROMPT: Final = {"LOGIN": b"Username:"}

_log = log.get("login")


@dataclass(frozen=True, slots=True)
class Success:
    """Logged in; `data` goes to the client with it where the mechanism has any."""

    data: bytes | None
    principal: Principal


@dataclass(frozen=True, slots=True)
class Failure:
    """Not logged in; `condition` is a defined condition of RFC 6120 §6.5."""

    condition: str
    text: str


Answer: TypeAlias = Challenge | Success | Failure


class Exchange:
    """Made by Auth.begin(). `mechanisms` are those to offer on this connection."""

    def __init__(
        self,
        auth: Auth,
        service: str,
        peer: str,
        is_tls: bool,
        channel_binding: ChannelBinding | None,
        certificate: str,
        domain: str,
    ) -> None:
        self._auth = auth
        self._service = service
        self._peer = peer
        self._is_tls = is_tls
        self._channel_binding = channel_binding if auth.offers_plus(service, channel_binding) else None
        self._certificate = certificate
        self._domain = domain
        self.mechanisms = auth.mechanisms(is_tls, channel_binding, service=service, certificate=certificate)
        self._mechanism = ""
        self._machine: Machine | Bearer | None = None
        self._claimed: tuple[Principal | None, str, str] = (None, "", "")  # account, authcid, authzid
        self._is_real = False  # whether the keys given to the machine are somebody's
        self.app_password = ""  # the name of the app password that was right, device_mark() for a token

    async def start(self, mechanism: str, initial: bytes | None) -> Answer:
        """The client has chosen a mechanism, perhaps with an initial response (b"" is an empty one)."""
        name = mechanism.upper()
        if name not in self.mechanisms:
            self._machine = None
            if not self.mechanisms:
                return Failure("encryption-required", "log-in needs TLS here")
            return Failure("invalid-mechanism", "this mechanism is not offered")
        self._mechanism = name
        self._machine = self._make_machine(name)
        self._claimed = (None, "", "")
        self._is_real = False
        if initial is None:
            return Challenge(_PROMPT.get(name, b""))
        return await self.respond(initial)

    async def respond(self, data: bytes) -> Answer:
        """The client's answer to a challenge."""
        if self._machine is None:
            return Failure("malformed-request", "no exchange has begun")
        try:
            answer = await self._take(self._machine, self._machine.receive(data))
        except SaslError as error:
            if isinstance(self._machine, Scram) and error.condition == "not-authorized":
                self._refuse()
            answer = Failure(error.condition, error.text)
        except Temporary as error:
            answer = Failure("temporary-auth-failure", error.text)
        if not isinstance(answer, Challenge):
            self._machine = None
        return answer

    def _make_machine(self, mechanism: str) -> Machine | Bearer:
        if mechanism in _SIMPLE:
            return _SIMPLE[mechanism]()
        base = mechanism.removesuffix("-PLUS")
        hash_name, _, _ = _SCRAM[base]
        # XEP-0474: in XMPP alone, where what is offered travels as XEP-0440 has it.
        kinds = self._auth.channel_bindings(self._channel_binding)
        is_told = self._service == "xmpp"
        return Scram(
            hash_name,
            is_plus=base != mechanism,
            channel_binding=self._channel_binding,
            nonce=secrets.token_urlsafe(NONCE_SIZE),
            digest=offer_digest(hash_name, self.mechanisms, kinds) if is_told else "",
        )

    async def _take(self, machine: Machine | Bearer, step: Step | CheckToken) -> Answer:
        match step:
            case Challenge():
                return step
            case CheckPassword(authzid, authcid, password):
                return await self._check_password(authzid, self._address(authcid), password)
            case WantKeys(authzid, authcid) if isinstance(machine, Scram):
                return await self._give_keys(machine, authzid, self._address(authcid))
            case Proven(data):
                return await self._admit(data)
            case Certified(authzid):
                return await self._trust_certificate(authzid)
            case CheckToken(authzid, token) if isinstance(machine, Bearer):
                return await self._check_token(machine, self._address(authzid), token)
        raise AssertionError(f"{type(machine).__name__} asked for {type(step).__name__}")

    async def _check_password(self, authzid: str, authcid: str, password: str) -> Answer:
        try:
            person = await self._auth.verify(
                self._service, self._mechanism, self._peer, self._is_tls, authcid, password
            )
        except Denied as error:
            return Failure(_condition(error), error.text)
        if not await self._is_self(authzid, person):
            return Failure("invalid-authzid", "nobody may act as somebody else")
        self.app_password = await self._auth.app_password(person, password) or ""
        return Success(None, person)

    async def _give_keys(self, machine: Scram, authzid: str, authcid: str) -> Answer:
        person = await self._auth.find(authcid)
        self._claimed = (person, authcid, authzid)
        self._auth.check_throttle(self._service, self._peer, person, authcid)
        _, kind, size = _SCRAM[self._mechanism.removesuffix("-PLUS")]
        keys, self._is_real = await self._auth.keys(person, authcid, kind, size)
        return machine.use_keys(keys)

    async def _admit(self, data: bytes) -> Answer:
        _, authcid, authzid = self._claimed
        person = await self._auth.find(authcid)  # again: it may have been disabled meanwhile
        self._auth.check_throttle(self._service, self._peer, person, authcid)
        if person is None or not self._is_real:
            self._refuse()
            return Failure("not-authorized", "the name or the password is wrong")
        try:
            await self._auth.check_age(person, self._service)
        except Denied as error:
            return Failure(_condition(error), error.text)
        return await self._finish(data, person, authzid)

    async def _trust_certificate(self, authzid: str) -> Answer:
        person = await self._auth.find(self._certificate)
        if person is None:
            return Failure("not-authorized", "the certificate names nobody here")
        return await self._finish(None, person, authzid)

    async def _check_token(self, machine: Bearer, authzid: str, token: str) -> Answer:
        """RFC 7628 §3.2."""
        oauth, service = self._auth.oauth, self._service
        found = await oauth.bearer(token, service)
        if isinstance(found, Bearing):
            self.app_password = device_mark(found.grant_id)
            return await self._finish(None, found.person, authzid)
        if token:
            _log.warning("token refused", service=service, peer=self._peer, account=authzid[:254], why=found)
        return machine.refuse(found, " ".join(scopes.SERVICES[service]), oauth.configuration_url)

    async def _finish(self, data: bytes | None, person: Principal, authzid: str) -> Answer:
        if not await self._is_self(authzid, person):
            return Failure("invalid-authzid", "nobody may act as somebody else")
        try:
            self._auth.admit(self._service, self._mechanism, self._peer, self._is_tls, person)
        except Denied as error:
            return Failure(_condition(error), error.text)
        return Success(data, person)

    def _address(self, authcid: str) -> str:
        """A simple user name is one of the domain the client has connected to (RFC 6120 §6.3.7)."""
        return f"{authcid}@{self._domain}" if self._domain and authcid and "@" not in authcid else authcid

    async def _is_self(self, authzid: str, person: Principal) -> bool:
        """RFC 4616 §2: empty, or a name of the same account. Never of another one."""
        if not authzid:
            return True
        named = await self._auth.find(authzid)
        return named is not None and named.id == person.id

    def _refuse(self) -> None:
        person, authcid, _ = self._claimed
        self._auth.refuse(self._service, self._mechanism, self._peer, person, authcid)


def _condition(error: Denied) -> str:
    if isinstance(error, Expired):
        return "credentials-expired"
    return "account-disabled" if isinstance(error, Disabled) else "not-authorized"
