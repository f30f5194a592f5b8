# SPDX-License-Identifier: Apache-2.0
"""Log-in: who may, and whether it is them. The same for every protocol; exchange.py drives SASL over it.

Invariants:
- Without TLS nobody logs in by any mechanism, unless `[security] allow_plaintext` is set.
- Who fails learns nothing: an unknown name, a name without password and a wrong password take the same time
  and give the same answer. That an account is disabled is said only to who has proven to own it.
- Every attempt passes the throttle and leaves one line in the log. A password that was found right is
  remembered for a while as a keyed hash whose key lives in this process only; it is forgotten at once
  when the person is disabled, deleted or changes the password (topic `kick`).
- The same wrong password again is no new guess: it is refused at once and not counted, so that a device
  which keeps trying an old password does not lock its owner out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from armgs_server import log, measures
from armgs_server.directory import credentials, duties, people
from armgs_server.directory.attempts import Attempts
from armgs_server.directory.exchange import Exchange
from armgs_server.directory.logins import Logins
from armgs_server.directory.model import HOSTS, TOPIC_KICK, Disabled, Principal
from armgs_server.directory.oauth import OAuth
from armgs_server.directory.passwords import APP, ARGON2, Passwords, load_secret
from armgs_server.directory.remembered import Remembered
from armgs_server.directory.sasl import ChannelBinding, offered
from armgs_server.directory.scram import Keys, parse_keys
from armgs_server.directory.tokens import Tokens
from armgs_server.errors import Denied, Throttled
from armgs_server.storage import clock
from armgs_server.storage.tx import Row

if TYPE_CHECKING:
    from armgs_server.directory.finder import Finder

CHANNEL_BINDINGS: Final = ("tls-exporter", "tls-server-end-point")
BEARER: Final = ("OAUTHBEARER", "XOAUTH2")  # in XMPP nobody has ever used the latter
LAST_USED_STEP: Final = clock.HOUR  # how exactly the last use of an app password is kept
WRONG: Final = "the name or the password is wrong"

_log = log.get("login")


class _AlreadyVerified(Exception):
    """While a check waited for its turn another one has found the same password right."""


class Auth:
    """See the module's docstring. Made by the directory, as `directory.auth`."""

    def __init__(self, directory: Finder) -> None:
        self._directory = directory
        self._settings = directory.config.security
        self._store = directory.store
        self.passwords = Passwords(self._settings)
        self.attempts = Attempts(self._settings, self._store.bus, time.monotonic)
        self.tokens = Tokens(self, self._store, self._settings)
        self.oauth = OAuth(self, directory)
        self.logins = Logins(self._store)
        self._key = secrets.token_bytes(32)
        limit = self._settings.verified_passwords
        self._verified: Remembered[int] = Remembered(limit, self._settings.verified_time)  # by person
        self._wrong: Remembered[str] = Remembered(limit, self._settings.login_window)  # by account_key
        self._kicks = 0
        self._unsubscribe = self._store.bus.subscribe(TOPIC_KICK, self._on_kick)

    async def open(self) -> None:
        """Loads the store's secret; nothing can be checked before it."""
        self.passwords.open(await self._store.write(lambda tx: load_secret(tx, "login_secret")))

    async def close(self) -> None:
        """Ends the password threads."""
        self._unsubscribe()
        await self.logins.close()
        self.attempts.close()
        self.passwords.close()

    # What is offered

    def is_permitted(self, is_tls: bool) -> bool:
        """Whether anybody may log in on such a connection."""
        return is_tls or self._settings.allow_plaintext

    def channel_bindings(self, channel_binding: ChannelBinding | None) -> tuple[str, ...]:
        """The kinds of channel binding a connection can do (XEP-0440)."""
        if channel_binding is None:
            return ()
        return tuple(kind for kind in CHANNEL_BINDINGS if channel_binding(kind) is not None)

    def offers_plus(self, service: str, channel_binding: ChannelBinding | None) -> bool:
        """Whether -PLUS is offered: RFC 9266 §3 has clients take tls-exporter over TLS 1.3.

        Where that is missing, only XMPP can tell them to take another kind (XEP-0440).
        """
        kinds = self.channel_bindings(channel_binding)
        return "tls-exporter" in kinds or (service == "xmpp" and bool(kinds))

    def mechanisms(
        self,
        is_tls: bool,
        channel_binding: ChannelBinding | None = None,
        *,
        service: str = "",
        certificate: str = "",
    ) -> tuple[str, ...]:
        """SASL mechanisms to offer, the best first; none where log-in is not permitted.

        Give begin() the same `channel_binding` and `service`: a client that could bind the channel, but was
        offered no -PLUS form, is refused where one should have been offered (RFC 5802 §6).
        """
        if not self.is_permitted(is_tls):
            return ()
        plus = self.offers_plus(service, channel_binding)
        bearer = (BEARER[:1] if service == "xmpp" else BEARER) if self.oauth.settings.enabled else ()
        return offered(plus=plus, login=service == "smtp", external=bool(certificate), bearer=bearer)

    def begin(
        self,
        *,
        service: str,
        peer: str,
        is_tls: bool,
        channel_binding: ChannelBinding | None = None,
        certificate: str = "",
        domain: str = "",
    ) -> Exchange:
        """A SASL exchange. `certificate` is the address that a verified client certificate names; `domain`
        is what a name without one belongs to, where the protocol says it (XMPP: the stream's `to`)."""
        return Exchange(self, service, peer, is_tls, channel_binding, certificate, domain)

    # Name and password

    async def login(self, service: str, peer: str, is_tls: bool, username: str, password: str) -> Principal:
        """The person; Denied, Throttled, or Temporary at the limit of the store or the threads."""
        return await self.verify(service, "password", peer, is_tls, username, password)

    async def verify(
        self, service: str, mechanism: str, peer: str, is_tls: bool, username: str, password: str
    ) -> Principal:
        """login(), naming the mechanism in the log."""
        if not self.is_permitted(is_tls):
            raise Denied("log-in needs TLS here")
        if not _is_text(username + password):
            raise Denied(WRONG)
        person = await self.find(username)
        account = account_key(person, username)
        self._check_throttle(service, peer, account)
        is_web = service == "web"
        purpose = b"web" if is_web else b"program"  # what is right on the pages may not be for a program
        secret = hashlib.blake2b(password.encode(), key=self._key, digest_size=32, person=purpose).digest()
        if person is not None and (person.id, secret) in self._verified:
            if person.disabled:
                raise Disabled()
            await self.check_age(person, service, password)
            self.logins.note(person.id, service, mechanism, peer, admitted=True)
            return person
        if (account, secret) in self._wrong:
            raise Denied(WRONG)
        kicks = self._kicks
        if not await self._is_password(person, peer, account, password, secret, is_web) or person is None:
            if kicks == self._kicks:  # else it may have become right meanwhile
                self._wrong.add(account, secret)
            self.refuse(service, mechanism, peer, person, username)
            raise Denied(WRONG)
        await self.check_age(person, service, password)
        return self.admit(service, mechanism, peer, is_tls, person)

    async def check_age(self, person: Principal, service: str, password: str = "") -> None:
        """Expired, but on the pages, where it is changed; app passwords do not grow old."""
        if service != "web" and self.passwords.app_hash(person.id, password) is None:
            await duties.check_age(self._directory, person)

    async def find(self, username: str) -> Principal | None:
        """Who logs in by that name: an address or alias; a local part where there is one domain."""
        if "+" in username:  # a sub-address is for mail: each would be an account of its own for the throttle
            return None
        found = await self._directory.resolve(username)
        return found if found is not None and found.kind == "person" else None

    async def keys(self, person: Principal | None, username: str, kind: str, size: int) -> tuple[Keys, bool]:
        """The SCRAM keys, and whether they are real; who is unknown gets made-up ones (RFC 5802 §9)."""
        rows = await self._credentials(person, kind, is_web=False)
        if rows:
            return parse_keys(rows[0][1]), True
        return self.passwords.fake_keys(username, size), False

    def check_throttle(self, service: str, peer: str, person: Principal | None, username: str) -> None:
        """Raises Throttled while this account, address or network has to wait."""
        self._check_throttle(service, peer, account_key(person, username))

    def refuse(
        self, service: str, mechanism: str, peer: str, person: Principal | None, username: str
    ) -> None:
        """Counts and logs a failed attempt."""
        self.attempts.failed(account_key(person, username), peer)
        measures.count("logins", service, "refused").value += 1
        if person is not None:
            self.logins.note(person.id, service, mechanism, peer, admitted=False)
        _log.warning(
            "log-in refused", service=service, mechanism=mechanism, peer=peer, account=username[:254]
        )

    def admit(self, service: str, mechanism: str, peer: str, is_tls: bool, person: Principal) -> Principal:
        """Logs a success; Disabled for a disabled account, Denied from where it may not log in."""
        if peer not in person.data.get(HOSTS, (peer,)):
            self.refuse(service, mechanism, peer, person, person.address)
            raise Denied(WRONG)
        self.attempts.succeeded(account_key(person, ""), peer)
        fields = {"service": service, "mechanism": mechanism, "peer": peer, "account": person.address}
        self.logins.note(person.id, service, mechanism, peer, admitted=not person.disabled)
        if person.disabled:
            _log.warning("log-in to a disabled account", **fields)
            measures.count("logins", service, "disabled").value += 1
            raise Disabled()
        _log.info("log-in", **fields, tls=int(is_tls))
        measures.count("logins", service, "ok").value += 1
        return person

    def _check_throttle(self, service: str, peer: str, account: str) -> None:
        try:
            self.attempts.check(account, peer)
        except Throttled:
            _log.warning("log-in throttled", service=service, peer=peer)
            measures.count("logins", service, "throttled").value += 1
            raise

    async def _is_password(
        self, person: Principal | None, peer: str, account: str, password: str, secret: bytes, is_web: bool
    ) -> bool:
        kicks = self._kicks
        is_right = await self.app_password(person, password) is not None
        if not is_right:
            rows = await self._credentials(person, ARGON2, is_web)

            def still() -> None:
                self.attempts.check(account, peer)  # others may have failed while this one waited
                if person is not None and (person.id, secret) in self._verified:
                    raise _AlreadyVerified

            try:
                is_right = await self.passwords.is_password(password, rows[0][1] if rows else None, still)
            except _AlreadyVerified:
                return True
            if is_right and person is not None and self.passwords.is_outdated(rows[0][1]):
                made = await self.passwords.renewed(password)
                await credentials.renew(self._store, person.id, made, rows[0][1])
        if is_right and person is not None and kicks == self._kicks and HOSTS not in person.data:
            self._verified.add(person.id, secret)
        return is_right

    async def app_password(self, person: Principal | None, password: str) -> str | None:
        """The name of the person's app password that it is."""
        hashed = self.passwords.app_hash(person.id, password) if person is not None else None
        if hashed is None or person is None:
            return None
        now = clock.now()
        for name, value, last_used in await self._credentials(person, APP, is_web=False):
            if hmac.compare_digest(value, hashed):
                if now - last_used > LAST_USED_STEP:
                    await self._store.write(partial(people.use_app_password, person=person.id, name=name))
                return str(name)
        return None

    async def _credentials(self, person: Principal | None, kind: str, is_web: bool) -> list[Row]:
        is_program = kind != APP and not is_web
        if is_program and await duties.refuses_password(self._directory, person):
            person = None  # who is nobody takes as long
        number = person.id if person is not None else 0
        is_guarded = is_program and self.oauth.settings.app_passwords_only
        return await credentials.of(self._store, number, kind, is_guarded=is_guarded)

    def forget_all(self) -> None:
        """Messages may have been missed: every password is checked again."""
        self._kicks += 1
        self._verified.forget_all()
        self._wrong.forget_all()

    def _on_kick(self, data: bytes) -> None:
        self._kicks += 1
        self._verified.forget(int(data))
        self._wrong.forget(str(int(data)))


def account_key(person: Principal | None, username: str) -> str:
    """What the throttle calls an account: the same for every spelling of a name that exists."""
    return str(person.id) if person is not None else f"?{username[:254].casefold()}"


def _is_text(text: str) -> bool:
    """Whether it is without the halves of characters that a lenient decoder leaves."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
