# SPDX-License-Identifier: Apache-2.0
"""What is written above a message that leaves for another domain.

Invariants: the domain of From: signs what its own people, or this server, have written, and nothing else;
a message that is passed on has our Authentication-Results from its arrival, and gets an ARC set instead.
Without a key, or when signing fails, mail goes as it is.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

from armgs_server import log
from armgs_server.directory.cache import Cache
from armgs_server.errors import DomainError, Invalid
from armgs_server.formats import mime
from armgs_server.service import Core
from armgs_server.storage import dkim_keys
from armgs_server.storage.dkim_keys import DkimKey
from armgs_server.trust import arc, authentication_results, authors, keys, signing
from armgs_server.trust.aside import aside
from armgs_server.trust.bodies import Bodies
from armgs_server.trust.fields import Field, split_fields
from armgs_server.trust.model import Departure
from armgs_server.trust.signing import Signer

# Domains whose keys are held, and messages whose fields are: one to many domains is signed once.
DOMAINS = 1000
MESSAGES = 64

_log = log.get("trust")


class Sealer:
    """Signs with the keys of the store."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._signers: Cache[str, tuple[Signer, ...]] = Cache(DOMAINS)
        self._made: Cache[bytes, bytes] = Cache(MESSAGES)
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Hears of changed keys from now on."""
        self._unsubscribe = self._core.store.bus.subscribe(dkim_keys.TOPIC, self._forget)

    def stop(self) -> None:
        """Ends."""
        if self._unsubscribe is not None:
            self._unsubscribe()

    async def seal(self, departure: Departure) -> bytes:
        """The fields to write above it; see model.Seal."""
        if not self._core.config.trust.sign:
            return b""
        key = await aside(len(departure.text), _digest, departure)
        made = self._made.get(key)
        if made is None:
            try:
                made = await self._sign(departure)
            except DomainError as error:
                _log.warning("mail goes unsigned", error=error)
                return b""
            self._made.put(key, made)
        return made

    async def _sign(self, departure: Departure) -> bytes:
        text = departure.text
        header_size = mime.header_end(text, 0, len(text))
        head = split_fields(text[:header_size])
        authserv_id = authentication_results.own_id(self._core.config)
        judged = [field for field in head if authentication_results.is_of(field, authserv_id)]
        if judged:
            forwarder = await self._forwarder(departure.author)
            return await aside(len(text), _seal, forwarder, judged[0], head, text, header_size)
        if departure.author or not departure.sender:
            signers = await self._author_signers(head)
            return await aside(len(text), _sign_all, signers, head, text, header_size)
        return b""

    async def _author_signers(self, head: Sequence[Field]) -> Sequence[Signer]:
        """Those of the author's domain, where it is served here and the only one."""
        domains = authors.domains(head)
        if len(domains) != 1 or not self._core.directory.is_local(domains[0]):
            return ()
        return await self._of(domains[0])

    async def _forwarder(self, author: int) -> Sequence[Signer]:
        """Those of whose domain passes the message on: rsa-sha256, which RFC 8617 §4.1 knows alone."""
        person = await self._core.directory.by_id(author) if author else None
        mine = [person.domain] if person is not None and person.domain else []
        for domain in (*mine, *self._core.config.server.domains, *self._core.directory.domains):
            signers = [each for each in await self._of(domain) if each.algorithm == "rsa-sha256"]
            if signers:
                return signers
        return ()

    async def _of(self, domain: str) -> Sequence[Signer]:
        signers = self._signers.get(domain)
        if signers is None:
            held = await self._core.store.read(lambda tx: dkim_keys.of(tx, domain))
            signers = tuple(signer for key in held if (signer := _signer(key)) is not None)
            self._signers.put(domain, signers)
        return signers

    def _forget(self, data: bytes) -> None:
        self._signers.drop(data.decode())
        self._made.clear()


def _signer(key: DkimKey) -> Signer | None:
    if not key.is_used:
        return None
    try:
        return Signer(key.domain, key.selector, keys.load_private(key.private))
    except Invalid as error:
        _log.error("a signing key is broken", key=key, error=error)
        return None


def _digest(departure: Departure) -> bytes:
    made = hashlib.sha256(b"%d\n%b\n" % (departure.author, departure.sender.encode()))
    made.update(departure.text)
    return made.digest()


def _sign_all(signers: Sequence[Signer], head: Sequence[Field], text: bytes, header_size: int) -> bytes:
    if not signers:
        return b""
    bodies, now = Bodies(text, header_size), int(time.time())
    return b"".join(signing.sign(signer, head, bodies, now) for signer in signers)


def _seal(
    signers: Sequence[Signer], judged: Field, head: Sequence[Field], text: bytes, header_size: int
) -> bytes:
    """RFC 8617 §5.1; a chain that cannot be told apart gets no set, nor one that has failed before."""
    if not signers:
        return b""
    try:
        sets = arc.collect(head)
    except Invalid:
        return b""
    if len(sets) >= arc.SETS or (sets and arc.status_of(sets[-1]) == "fail"):
        return b""
    status = authentication_results.result_of(judged.text, "arc") if sets else "none"
    if status not in ("none", "pass", "fail"):
        return b""
    results = judged.value.decode("utf-8", "replace")
    bodies = Bodies(text, header_size)
    return signing.seal(signers[0], sets, results, status, head, bodies, int(time.time()))
