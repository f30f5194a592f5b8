# SPDX-License-Identifier: Apache-2.0
"""Orders certificates when they are due: by one process, whoever holds the lease.

The private key is made for each certificate anew. A name for which the CA does not vouch (it does not lead
here, say) does not keep the others waiting: it is left out, told, and tried again every day. Only without
the host's own name there is no certificate.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import random
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from cryptography import x509

from armgs_server import log, measures
from armgs_server.acme import schedule
from armgs_server.acme.authority import Authority, Rejected, UnknownAccount, Where, in_thread, new_key
from armgs_server.acme.schedule import Shown
from armgs_server.config import Config
from armgs_server.errors import DomainError, Temporary
from armgs_server.formats.addresses import to_ascii
from armgs_server.net.certificates import server_names
from armgs_server.service import Core
from armgs_server.storage import acme, clock, leases
from armgs_server.storage.acme import Account, State
from armgs_server.storage.leases import Lease
from armgs_server.storage.tx import Tx

LEASE: Final = "acme"
LOOK: Final = 60.0  # seconds: settings and domains may have changed
POLL: Final = 1.0  # seconds between two looks at what the CA is doing

_log = log.get("acme")


class Renewal:
    """From `start` to `stop`."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Waits for the lease, and for what is due."""
        self._unsubscribe = self._core.store.bus.subscribe(acme.TOPIC, lambda _: self._wake.set())
        holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        work = leases.hold(self._core.store, LEASE, holder, self._run)
        self._task = asyncio.get_running_loop().create_task(work, name="acme")

    async def stop(self) -> None:
        """Gives the lease up."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, lease: Lease) -> None:
        while True:
            self._wake.clear()
            wait = await self._look(lease)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(max(wait, POLL), LOOK)):
                    await self._wake.wait()

    async def _look(self, lease: Lease) -> float:
        """Does what is due; the seconds until something may be."""
        config, store = self._core.config, self._core.store
        if not config.tls.acme_directory:
            return LOOK
        try:
            state, pem = await store.read(_kept)
            shown = None if pem is None else read(pem)
            wanted = names(config)
            when = schedule.due(state, shown, config.tls.acme_directory, wanted)
            if when > clock.now() and pem is not None and state.ask <= clock.now():
                state = await self._ask(lease, state, pem)
                when = schedule.due(state, shown, config.tls.acme_directory, wanted)
            if when > clock.now():
                return (when - clock.now()) / clock.SECOND
            await self._obtain(lease, state, wanted)
        except DomainError as error:
            _log.warning("certificate waits", error=error)
        return POLL

    async def _ask(self, lease: Lease, state: State, pem: bytes) -> State:
        """RFC 9773; a CA that does not answer costs nothing: our own time stands."""
        now = clock.now()
        when, again = None, now + schedule.ASK[1]
        try:
            authority = await self._open(lease)
            wish, later = await in_thread(partial(authority.wish, leaf(pem)))
            when = None if wish is None else round(wish * clock.SECOND)
            again = round(later * clock.SECOND)
        except Temporary as error:
            _log.info("the CA was not asked when to renew", error=error)
        state = schedule.wished(state, when, again, now)
        await self._keep(lease, partial(acme.keep_state, now=state))
        return state

    async def _obtain(self, lease: Lease, state: State, wanted: Sequence[str]) -> None:
        settings = self._core.config.tls
        try:
            async with asyncio.timeout(settings.acme_order_timeout):
                pem, refused = await self._order(lease, wanted)
        except (Temporary, TimeoutError) as error:
            text = str(error) or "the CA has not made the certificate in time"
            state = schedule.failed(
                state, text, clock.now(), settings.acme_retry, settings.acme_longest_retry, random.random()
            )
            await self._keep(lease, partial(acme.keep_state, now=state))
            measures.count("acme_orders", "failed").value += 1
            _log.warning("no certificate", error=text, failures=state.failures)
            return
        shown = read(pem)
        state = schedule.succeeded(settings.acme_directory, shown, refused, clock.now(), random.random())

        async def work(tx: Tx) -> None:
            await acme.keep_certificate(tx, pem)
            await acme.keep_state(tx, state)
            await acme.keep_challenges(tx, {}, 0)

        await self._keep(lease, work)
        measures.count("acme_orders", "ok").value += 1
        _log.info(
            "certificate made", names=",".join(sorted(shown.names)), refused=",".join(refused) or "none"
        )

    async def _order(self, lease: Lease, wanted: Sequence[str]) -> tuple[bytes, dict[str, str]]:
        """Key and chain, and the names that are not in it, each with the CA's reason."""
        authority = await self._open(lease)
        key, refused = new_key(), dict[str, str]()
        while True:
            asked = [name for name in wanted if name not in refused]
            try:
                found = await self._prove(lease, authority, key, asked)
            except UnknownAccount:
                authority = await self._open(lease, anew=True)
                found = await self._prove(lease, authority, key, asked)
            if not found:
                break
            refused.update(found)
            if wanted[0] in refused:
                raise Temporary(str(Rejected(refused)))
        await in_thread(authority.finish)
        while (chain := await in_thread(authority.certificate)) is None:
            _log.debug("the CA is making the certificate")
        return key + chain, refused

    async def _prove(
        self, lease: Lease, authority: Authority, key: bytes, names: Sequence[str]
    ) -> Mapping[str, str]:
        """Orders, and lets the CA look at each name; those for which it does not vouch."""
        try:
            answers = await in_thread(partial(authority.order, key, names))
        except Rejected as error:
            return error.names
        expires = clock.now() + round(self._core.config.tls.acme_order_timeout * clock.SECOND)
        await self._keep(lease, partial(acme.keep_challenges, answers=answers, expires=expires))
        await in_thread(authority.answer)
        while True:
            await asyncio.sleep(POLL)
            if not await in_thread(authority.is_looking):
                return authority.refused()

    async def _open(self, lease: Lease, *, anew: bool = False) -> Authority:
        """Our account, made where there is none; its key is kept before the CA sees it."""
        config = self._core.config
        where = _where(config)
        account = await self._core.store.read(partial(acme.account, directory=where.directory))
        if account is None:
            account = Account(where.directory, new_key().decode(), "")
            await self._keep(lease, partial(acme.keep_account, made=account))
        elif anew:
            account = dataclasses.replace(account, url="")
        authority = Authority(where, account)
        opened = await in_thread(authority.open)
        if opened != account:
            await self._keep(lease, partial(acme.keep_account, made=opened))
        return authority

    async def _keep(self, lease: Lease, work: Callable[[Tx], object]) -> None:
        async def fenced(tx: Tx) -> None:
            await leases.check(tx, lease)
            await work(tx)  # type: ignore[misc]

        await self._core.store.write(fenced)


def names(config: Config) -> list[str]:
    """What the certificate is to name, the host first, each once and in ASCII."""
    given = config.tls.acme_names or server_names(to_ascii(config.server.hostname), config.server.domains)
    return list(dict.fromkeys(to_ascii(name.lower()) for name in given))


def read(pem: bytes) -> Shown:
    """Of the certificate in front of a chain."""
    certificate = x509.load_pem_x509_certificates(pem)[0]
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    known = {*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))}
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return Shown(frozenset(known), *(round(each.timestamp() * clock.SECOND) for each in (begins, ends)))


def leaf(pem: bytes) -> bytes:
    """The certificate alone, without key and chain."""
    begin = pem.index(b"-----BEGIN CERTIFICATE-----")
    return pem[begin : pem.index(b"-----END CERTIFICATE-----", begin)] + b"-----END CERTIFICATE-----\n"


async def _kept(tx: Tx) -> tuple[State, bytes | None]:
    return await acme.state(tx), await acme.certificate(tx)


def _where(config: Config) -> Where:
    tls = config.tls
    binding = None
    if tls.acme_key_id:
        try:
            binding = tls.acme_key_id, config.path(tls.acme_key).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Temporary(f"tls.acme_key: {error}") from error
    ca = config.path(tls.acme_ca) if tls.acme_ca else None
    if ca is not None and not ca.is_file():
        raise Temporary(f"tls.acme_ca: {ca} is not there")
    return Where(tls.acme_directory, ca, tls.acme_timeout, tls.acme_contact, binding)
