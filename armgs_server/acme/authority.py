# SPDX-License-Identifier: Apache-2.0
"""The conversation with an ACME CA (RFC 8555 §7), by certbot's library: one object for one order.

Every method blocks, for as long as the CA may take (`timeout` for each request), and is called in a thread
(`in_thread`). What goes wrong, on the way or at the CA, is Temporary with its words; names for which the CA
does not vouch are a result, not an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import josepy
import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from armgs_server import __version__
from armgs_server.errors import Temporary
from armgs_server.storage.acme import Account

T = TypeVar("T")
# How long one look at an order that is being made may wait in its thread.
_LOOK: Final = timedelta(seconds=5)
_NONCES: Final = 5
# What an answer that is none of RFC 8555 makes of the library, beside its own errors.
_FAULTS = (
    requests.RequestException,
    errors.Error,
    josepy.errors.Error,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
)


@dataclass(frozen=True, slots=True)
class Where:
    """Which CA, and how it is asked. `binding`: identifier and key of §7.3.4, or None."""

    directory: str
    ca: Path | None
    timeout: float
    contact: str
    binding: tuple[str, str] | None


async def in_thread(function: Callable[[], T]) -> T:
    """Its result, from a thread that nobody waits for: a CA that is silent does not hold up a stop."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(cast(T, result))

    def run() -> None:
        result, error = None, None
        try:
            result = function()
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(deliver, result, error)

    threading.Thread(target=run, name="acme", daemon=True).start()
    return await outcome


class _Network(client.ClientNetwork):
    """A CA of several hosts may refuse more nonces (§6.5) than the one that the library forgives."""

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        for _ in range(_NONCES - 1):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)


class Authority:
    """A CA, our account there (`open`), and an order, whose methods are called as they stand here."""

    def __init__(self, where: Where, account: Account) -> None:
        self._where = where
        self._account = account
        key = load_pem_private_key(account.key.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey), "we have made it"
        self._key = josepy.jwk.JWKEC(key=key)
        self._network = _Network(
            self._key,
            alg=josepy.jwa.ES256,
            verify_ssl=cast(bool, _roots(where.ca)),
            user_agent=f"armgs_server/{__version__}",
            timeout=cast(int, where.timeout),
        )
        self._network.session.trust_env = False  # neither proxies nor passwords of whoever has started us
        self._client: client.ClientV2
        self._order: messages.OrderResource

    def open(self) -> Account:
        """Finds the CA's resources and our account, or makes one (§7.3); what is to be kept."""
        with _told():
            directory = client.ClientV2.get_directory(self._where.directory, self._network)
            self._client = client.ClientV2(directory, self._network)
            if self._account.url:
                self._network.account = messages.RegistrationResource(
                    uri=self._account.url, body=messages.Registration()
                )
                return self._account
            return Account(self._account.directory, self._account.key, self._register(directory))

    def _register(self, directory: messages.Directory) -> str:
        given: dict[str, Any] = {"terms_of_service_agreed": True}
        if self._where.contact:
            given["email"] = self._where.contact
        if self._where.binding is not None:
            identifier, secret = self._where.binding
            given["external_account_binding"] = messages.ExternalAccountBinding.from_data(
                self._key.public_key(), identifier, secret, directory
            )
        try:
            made = self._client.new_account(messages.NewRegistration.from_data(**given))
        except errors.ConflictError as known:  # §7.3.1: this key has one
            self._network.account = messages.RegistrationResource(
                uri=known.location, body=messages.Registration()
            )
            return str(known.location)
        return str(made.uri)

    def order(self, key: bytes, names: Sequence[str]) -> dict[str, str]:
        """Orders a certificate for the names (§7.4); the key authorization of each token that is to be shown.

        UnknownAccount where the CA has forgotten us, Rejected where it never makes one for some of the names.
        """
        with _told():
            try:
                self._order = self._client.new_order(signing_request(key, names))
            except messages.Error as error:
                if error.code == "accountDoesNotExist":
                    raise UnknownAccount(str(error)) from error
                rejected = {
                    each.identifier.value: str(each.detail or each.typ)
                    for each in error.subproblems or ()
                    if each.identifier is not None and each.identifier.value in names
                }
                if rejected:  # §6.7.1
                    raise Rejected(rejected) from error
                raise
            return {
                body.chall.encode("token"): body.chall.key_authorization(self._key)
                for _, body in self._pending()
            }

    def answer(self) -> None:
        """The CA may look now (§7.5.1)."""
        with _told():
            for _, body in self._pending():
                self._client.answer_challenge(body, body.chall.response(self._key))

    def _pending(self) -> Iterator[tuple[str, messages.ChallengeBody]]:
        for each in self._order.authorizations:
            if each.body.status != messages.STATUS_PENDING:
                continue  # vouched for lately, or refused
            name = each.body.identifier.value
            found = [body for body in each.body.challenges if isinstance(body.chall, challenges.HTTP01)]
            if not found:
                raise Temporary(f"the CA offers no http-01 for {name}")
            yield name, found[0]

    def is_looking(self) -> bool:
        """Whether the CA has not looked at every name yet (§7.5.1)."""
        with _told():
            looked = [self._client.poll(each)[0] for each in self._order.authorizations]
            self._order = self._order.update(authorizations=looked)
        return any(each.body.status == messages.STATUS_PENDING for each in looked)

    def refused(self) -> dict[str, str]:
        """The names for which the CA does not vouch, and why."""
        return {
            each.body.identifier.value: _reason(each.body)
            for each in self._order.authorizations
            if each.body.status != messages.STATUS_VALID
        }

    def finish(self) -> None:
        """Asks for the certificate (§7.4); then `certificate`."""
        with _told():
            try:
                self._order = self._client.begin_finalization(self._order)
            except messages.Error as error:
                if error.code != "orderNotReady":  # then `certificate` asks again when it is
                    raise

    def certificate(self) -> bytes | None:
        """The chain (§7.4.2), or None while it is being made."""
        with _told():
            try:
                made = self._client.poll_finalization(self._order, datetime.now() + _LOOK)
            except errors.TimeoutError:
                return None
            return str(made.fullchain_pem).encode()

    def wish(self, certificate: bytes) -> tuple[float | None, float]:
        """RFC 9773 §4: when the CA wants it renewed, or None; when to ask again. Seconds since 1970."""
        with _told():
            when, again = self._client.renewal_time(certificate)
        return (when.timestamp() if when is not None else None), again.timestamp()


class UnknownAccount(Temporary):
    """The CA does not know the account that it has made."""


class Rejected(Temporary):
    """The CA makes no certificate for the names, and says why for each."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in names.items())[:1000])
        self.names = names


def new_key() -> bytes:
    """A private key, PEM: P-256, for accounts and certificates alike."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def signing_request(key: bytes, names: Sequence[str]) -> bytes:
    """A CSR for host names and addresses (RFC 8738), PEM."""
    domains, addresses = [], []
    for name in names:
        try:
            addresses.append(ipaddress.ip_address(name))
        except ValueError:
            domains.append(name)
    return crypto_util.make_csr(key, domains, ipaddrs=addresses)


def _roots(ca: Path | None) -> str:
    """What proves the CA's own web server: never the list that comes with a library."""
    if ca is not None:
        return str(ca)
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or paths.openssl_capath


def _reason(body: messages.Authorization) -> str:
    found = [str(each.error.detail or each.error.typ) for each in body.challenges if each.error is not None]
    return "; ".join(found) or f"the authorization is {body.status.name}"


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Temporary:
        raise
    except _FAULTS as error:
        raise Temporary(f"{type(error).__name__}: {error}"[:1000]) from error
