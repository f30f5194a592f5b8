# SPDX-License-Identifier: Apache-2.0
"""Sends what devices are to be told of changes (draft-bitfire-webdav-push; RFC 8030, 8291, 8292).

Every process hears of changes of the collections that are watched, waits a little for further ones, and asks
the store what is owed; who claims it sends it. Best effort: what cannot be delivered is owed again and tried
a few times, and a registration that fails for days goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import Callable, Mapping
from functools import partial

from armgs_server import base64url, log
from armgs_server.dav.engine import Engine
from armgs_server.dav.push_messages import push_message, topic
from armgs_server.dav.sync_tokens import sync_token
from armgs_server.directory.access import Rights
from armgs_server.errors import DomainError
from armgs_server.net.fetch import Bounds, deliver
from armgs_server.net.web_push import authorization, encrypt
from armgs_server.storage import clock, web_push
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx
from armgs_server.storage.web_push import Debt, Registration

LONGEST_WAIT = 3600.0  # between two tries, unless the push service says another time
GIVEN_UP = 3 * clock.DAY  # what has failed for so long is removed
STORE_WAIT = 10.0  # while the store does not answer
GONE = (404, 410)  # RFC 8030 §7.3; RFC 9110 §15.5.11

_log = log.get("push")


class Pusher:
    """One in each process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._watched: dict[int, set[int]] = {}  # owner to collections
        # A collection's changes, and beside them the next try of each registration that failed.
        self._due: dict[tuple[int, int, str], float] = {}
        self._wake = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._runner: asyncio.Task[None] | None = None
        self._unsubscribes: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Begins to listen; what was owed before is sent."""
        store = self._engine.store
        self._unsubscribes.append(store.bus.subscribe(web_push.TOPIC, self._on_registration))
        after = (0, 0)
        while page := await store.read(partial(web_push.watched, after=after)):
            for owner, collection, is_behind in page:
                self._watch(owner, collection)
                if is_behind:
                    self._plan((owner, collection, ""))
            after = page[-1][:2]
        self._runner = asyncio.get_running_loop().create_task(self._run(), name="push")

    async def stop(self) -> None:
        """Ends; a message that is on its way may be lost."""
        for unsubscribe in self._unsubscribes:
            unsubscribe()
        tasks = [*self._sending, *([self._runner] if self._runner is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What is heard

    def _on_registration(self, data: bytes) -> None:
        owner, _, collection = data.partition(b" ")
        self._watch(int(owner), int(collection))

    def _watch(self, owner: int, collection: int) -> None:
        if owner not in self._watched:
            self._watched[owner] = set()
            heard = partial(self._on_change, owner)
            self._unsubscribes.append(self._engine.store.bus.subscribe(f"changes:{owner}", heard))
        self._watched[owner].add(collection)

    def _on_change(self, owner: int, hint: bytes) -> None:
        collection = int(hint.partition(b" ")[0])
        if collection in self._watched[owner]:
            self._plan((owner, collection, ""))

    def _plan(self, key: tuple[int, int, str], delay: float | None = None) -> None:
        """Asks what is owed after a while; changes until then are told together."""
        if delay is None:
            # Not all processes at the same time: who is first claims everything.
            delay = self._engine.config.dav.push_delay * random.uniform(1.0, 1.5)
        if key not in self._due:
            self._due[key] = asyncio.get_running_loop().time() + delay
            self._wake.set()

    # What is owed

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            for key in [key for key, at in self._due.items() if at <= loop.time()]:
                del self._due[key]
                try:
                    await self._look(key[:2])
                except DomainError as error:
                    _log.warning("what devices are to be told is not known", error=error)
                    self._plan(key, STORE_WAIT)
            wait = max(0.0, min(self._due.values()) - loop.time()) if self._due else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def _look(self, key: tuple[int, int]) -> None:
        """Claims what is owed for one collection, and sends it."""
        store, now = self._engine.store, clock.now()
        if not self._engine.config.dav.push:
            return
        collection, owed = await store.read(lambda tx: web_push.owed(tx, *key, now))
        if not owed:
            return
        if collection is None:
            # Nobody's rights on it can be told any more, but its owner's.
            for each in await store.write(lambda tx: web_push.claim_gone(tx, *key, now)):
                if each.person == each.owner:
                    await self._send(Debt(each, True, False), None)
            return
        kept = {each.id for each in owed if each.expires > now and await self._may_read(each, collection)}
        lost = [each.id for each in owed if each.id not in kept]

        async def claim(tx: Tx) -> tuple[Collection, list[Debt]]:
            await web_push.forget(tx, key[0], lost)
            return await web_push.claim(tx, *key, kept, now)

        current, debts = await store.write(claim)
        for debt in debts:
            await self._send(debt, current)

    async def _may_read(self, registration: Registration, collection: Collection) -> bool:
        person = await self._engine.directory.by_id(registration.person)
        if person is None or person.disabled:
            return False
        return Rights.READ in await self._engine.rights(person, collection)

    # What is sent

    async def _send(self, debt: Debt, collection: Collection | None) -> None:
        """Begins to deliver when there is room for one more."""
        while len(self._sending) >= self._engine.config.dav.push_parallel:
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.get_running_loop().create_task(self._deliver(debt, collection), name="push-deliver")
        self._sending.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("a push message was not delivered", error=error)

    async def _deliver(self, debt: Debt, collection: Collection | None) -> None:
        registration, store = debt.registration, self._engine.store
        try:
            status, wait = await self._post(debt, collection)
        except DomainError as error:
            status, wait = 0, 0
            _log.info("a push service is not reached", owner=registration.owner, error=error)
        if collection is None:
            return
        now = clock.now()
        is_hopeless = registration.failing_since and now - registration.failing_since > GIVEN_UP
        if 200 <= status < 300:
            if registration.failures:
                await store.write(partial(web_push.delivered, registration=registration))
        elif status in GONE or is_hopeless:
            _log.info("a push registration is over", owner=registration.owner, status=status)
            await store.write(lambda tx: web_push.forget(tx, registration.owner, [registration.id]))
        else:
            await self._fail(registration, wait, now)

    async def _fail(self, registration: Registration, asked: int, now: int) -> None:
        settings = self._engine.config.dav
        wait = max(
            min(LONGEST_WAIT, settings.push_retry * 4 ** min(registration.failures, 10)),
            min(float(asked), 24 * LONGEST_WAIT),
        )
        due = now + round(wait * clock.SECOND)
        await self._engine.store.write(lambda tx: web_push.failed(tx, registration, now, due))
        if registration.failures + 1 < settings.push_attempts:
            self._plan((registration.owner, registration.collection, registration.id), wait)

    async def _post(self, debt: Debt, collection: Collection | None) -> tuple[int, int]:
        """The status, and the wait that the push service asks for."""
        registration, config = debt.registration, self._engine.config
        message = push_message(
            topic(registration.owner, registration.collection),
            "" if collection is None else sync_token(collection, collection.modseq),
            content=debt.content,
            properties=debt.properties,
        )
        key = await self._engine.push_key.load()
        domain = (*config.server.domains, config.server.hostname)[0]
        seconds = clock.now() // clock.SECOND
        headers = {
            "TTL": str(config.dav.push_lifetime),
            "Content-Encoding": "aes128gcm",
            "Content-Type": 'application/xml; charset="UTF-8"',
            # RFC 8030 §5.3: what nobody waits for need not wake a device
            "Urgency": "normal" if debt.content else "low",
            "Topic": _push_topic(debt),
            "Authorization": authorization(
                key, registration.endpoint, f"mailto:postmaster@{domain}", seconds
            ),
        }
        body = encrypt(message, registration.public_key, registration.auth_secret)
        bounds = Bounds(0, config.dav.push_timeout, config.dav.push_networks)
        answer = await deliver(registration.endpoint, config.limits, bounds, body, headers)
        return answer.status, retry_after(answer.headers)


def retry_after(headers: Mapping[str, str]) -> int:
    """The seconds before another try; 0 if not said."""
    # RFC 9110 §10.2.3: a date is possible as well; who says one is asked again when we think fit
    said = headers.get("retry-after", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 9 else 0


def _push_topic(debt: Debt) -> str:
    """RFC 8030 §5.4: a message replaces one of the same meaning that waits; it tells the service nothing."""
    meaning = f"{debt.registration.id} {debt.content:d}{debt.properties:d}"
    return base64url.encode(hashlib.sha256(meaning.encode()).digest()[:24])
