# SPDX-License-Identifier: Apache-2.0
"""Sends what is queued: takes rows by lease, hands them to other servers, retries, returns.

Invariants:
- A row is finished in the transaction that also holds its report, if there is one; so a crash repeats an
  attempt at the worst and loses nothing.
- The number of messages being sent at once is bounded, in all and for each domain.
- No report is made for a message whose sender is null.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from armgs_server import log, trace_id
from armgs_server.errors import DomainError
from armgs_server.smtp import attempt, reports
from armgs_server.smtp.attempt import Attempts, Result
from armgs_server.smtp.crowd import Crowd
from armgs_server.smtp.delivery import Delivery
from armgs_server.storage import clock, queue
from armgs_server.storage.queue import Entry
from armgs_server.storage.tx import Tx

# How long a claimed row stays ours unless the lease is renewed: what a killed worker leaves waits so long.
LEASE = 5 * clock.MINUTE
RENEWAL = 0.4 * LEASE / clock.SECOND
# RFC 5321 §4.5.3.2 allows each step of a slow server minutes; this bounds all of them together.
ATTEMPT_TIMEOUT = 3600.0
CLAIM_LIMIT = 100
# Large messages being sent at once: each is in memory, more than once, meanwhile.
LARGE_AT_ONCE = 2
# So much of a wait may be taken off it by chance.
JITTER = 0.2
# Rows of a domain that is at its limit wait this long where no more can wait in memory.
CROWDED_WAIT = 2 * clock.SECOND
# The queue is looked at this often even when nobody has called (other processes may add to it).
LONGEST_SLEEP = 60.0
STORE_FAILED_WAIT = 5.0

_log = log.get("relay")


class Relay:
    """The queue runner of one process; any number of processes may have one."""

    def __init__(
        self,
        delivery: Delivery,
        now: Callable[[], int] = clock.now,
        chance: Callable[[], float] = random.random,
    ) -> None:
        core = self._core = delivery.core
        self._delivery = delivery
        self._settings = core.config.smtp
        self._sending = Attempts(core, delivery.seal)
        self._now = now
        self._random = chance
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._attempts: dict[asyncio.Task[None], Sequence[Entry]] = {}
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._busy: Counter[str] = Counter()
        self._crowd = Crowd(LEASE // 3)
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        """Begins to send."""
        self._unsubscribe = self._core.store.bus.subscribe(queue.TOPIC, lambda data: self._wake.set())
        self._runner = asyncio.create_task(self._run(), name="relay")
        self._sending.tls_reports.start()

    async def stop(self) -> None:
        """Ends; what was being sent is given back."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        held = [*self._crowd.clear(), *(entry for group in self._attempts.values() for entry in group)]
        tasks = [task for task in (self._runner, *self._attempts) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._sending.close()
        if held:
            await self._give_back(held)

    async def run_once(self) -> int:
        """Takes what is due and there is room for, and begins to send it; the number of rows taken."""
        room = self._settings.queue_parallel - len(self._attempts)
        if room <= 0:
            return 0
        now = self._now()
        entries = await self._core.store.write(lambda tx: queue.claim(tx, now, LEASE, min(room, CLAIM_LIMIT)))
        too_many: list[Entry] = []
        for domain, group in _groups(entries):
            if self._busy[domain] >= self._settings.queue_parallel_per_domain:
                if not self._crowd.add(domain, group, now):
                    too_many += group
                continue
            self._busy[domain] += 1
            task = asyncio.create_task(self._send(domain, group), name=f"relay {domain}")
            self._attempts[task] = group
            task.add_done_callback(self._attempts.pop)
        if too_many:
            await self._core.store.write(lambda tx: queue.give_back(tx, too_many, now + CROWDED_WAIT))
        return len(entries)

    async def settled(self) -> None:
        """Returns when everything being sent has its outcome."""
        while self._attempts:
            await asyncio.wait(self._attempts)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                if self._crowd.is_full:  # domains that are at their limit make no work for the others
                    await asyncio.sleep(CROWDED_WAIT / clock.SECOND)
                pause = await self._pause()
                if pause <= 0:
                    await self.run_once()
            except DomainError as error:
                _log.warning("queue cannot be read", error=error)
                pause = STORE_FAILED_WAIT
            except Exception:
                _log.exception("queue cannot be read")
                pause = STORE_FAILED_WAIT
            if pause > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()

    async def _give_back(self, entries: Sequence[Entry]) -> None:
        """Rows that were not tried; when the store does not take them, they come back with their lease."""
        try:
            await self._core.store.write(partial(queue.give_back, entries=entries, next_attempt=self._now()))
        except DomainError as error:
            _log.warning("rows not given back", error=error)

    async def _pause(self) -> float:
        due = await self._core.store.read(queue.next_due)
        if due is None or len(self._attempts) >= self._settings.queue_parallel:
            return LONGEST_SLEEP
        return min(max((due - self._now()) / clock.SECOND, 0.0), LONGEST_SLEEP)

    async def _send(self, domain: str, entries: Sequence[Entry]) -> None:
        """Sends the rows, and after them what has waited for a place of this domain."""
        task = asyncio.current_task()
        assert task is not None  # it is one
        group = entries
        try:
            while group:
                self._attempts[task] = group
                with trace_id.under(str(group[0].data.get("id", ""))):
                    await self._send_one(domain, group)
                group, late = self._crowd.pop(domain, self._now())
                if late:
                    await self._give_back(late)
        finally:
            self._busy[domain] -= 1
            if not self._busy[domain]:
                del self._busy[domain]
            self._wake.set()

    async def _send_one(self, domain: str, entries: Sequence[Entry]) -> None:
        renewal = asyncio.create_task(self._renew(entries), name=f"lease {domain}")
        try:
            await self._settle(entries, await self._attempt(domain, entries))
        except DomainError as error:
            # The store does not take the outcome: the rows come back when their lease is over.
            _log.warning("outcome not stored", domain=domain, error=error)
        finally:
            renewal.cancel()

    async def _attempt(self, domain: str, entries: Sequence[Entry]) -> Mapping[int, Result]:
        """The results. Whatever goes wrong here is a failure that may pass: tried again, then given up."""
        if entries[0].data.get("cancelled"):
            return {entry.id: Result("5.7.1", "Cancelled by an administrator") for entry in entries}
        if _is_too_late(entries[0], self._now()):  # RFC 2852 §4.1.2
            return {entry.id: Result("5.4.7", "Delivery time expired") for entry in entries}
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT):
                async with self._large if attempt.is_large(entries[0]) else contextlib.nullcontext():
                    return await self._sending.deliver(entries, self._now())
        except (TimeoutError, DomainError) as error:
            _log.warning("attempt failed", domain=domain, error=error)
        except Exception:
            _log.exception("attempt failed", domain=domain)
        return {entry.id: Result("4.3.0", "the attempt failed on this server") for entry in entries}

    async def _renew(self, entries: Sequence[Entry]) -> None:
        """Keeps the rows ours while a slow server takes its time."""
        while True:
            await asyncio.sleep(RENEWAL)
            until = self._now() + LEASE
            try:
                await self._core.store.write(partial(queue.give_back, entries=entries, next_attempt=until))
            except DomainError as error:
                _log.warning("lease not renewed", error=error)

    async def _settle(self, entries: Sequence[Entry], results: Mapping[int, Result]) -> None:
        """Stores what became of each row, with the report for those that are given up."""
        now = self._now()
        outcomes = [(entry, self._judge(results[entry.id], entry, now)) for entry in entries]
        late = [entry for entry, result in outcomes if not result.is_final and self._is_late(entry, now)]
        waits = {entry.id: self._next_attempt(entry, now) for entry, _ in outcomes}
        prepared = await reports.prepare(self._core, outcomes, late, now)
        plans = {
            entry.id: await attempt.plans(self._delivery, entry, result, now) for entry, result in outcomes
        }
        reported = [(report, await reports.plans(self._delivery, report, now)) for report in prepared]

        async def work(tx: Tx) -> None:
            for entry, result in outcomes:
                if not result.is_final:
                    await queue.postpone(tx, entry, waits[entry.id], result.diagnostic)
                elif result.index is not None:
                    await attempt.keep(tx, self._delivery, entry, result, now, plans[entry.id])
            for entry in late:
                await queue.annotate(tx, entry, {**entry.data, "warned": True})
            await queue.finish(tx, [entry for entry, result in outcomes if result.is_final])
            for report, filed in reported:
                await reports.place(tx, self._delivery, report, now, filed)

        await self._core.store.write(work)
        for entry, result in outcomes:
            _log.info(
                "relayed" if result.is_delivered else "returned" if result.is_final else "postponed",
                sender=entry.sender,
                recipient=entry.recipient,
                status=result.status,
                answer=result.diagnostic,
            )

    def _is_late(self, entry: Entry, now: int) -> bool:
        """Whether the sender is told now that the message is delayed; once is enough."""
        if entry.data.get("warned"):
            return False
        deliver_by = entry.data.get("by")
        if deliver_by is not None and now >= deliver_by[0]:  # RFC 2852 §4.1.3
            return True
        warning = self._settings.queue_warning * clock.SECOND
        return bool(warning) and now - max(entry.created, entry.data.get("release", 0)) >= warning

    def _judge(self, result: Result, entry: Entry, now: int) -> Result:
        """A failure that may pass is final when the message's time is over."""
        return result.given_up() if not result.is_final and now >= entry.expires else result

    def _next_attempt(self, entry: Entry, now: int) -> int:
        """Exponential back-off (RFC 5321 §4.5.4.1), spread: what failed together need not come together.

        A message that must be there at a time is looked at then, whatever the back-off says.
        """
        doubled = self._settings.queue_first_retry * float(2 ** min(entry.attempts, 30))
        wait = min(doubled, self._settings.queue_longest_retry) * (1 - JITTER * self._random())
        moment = now + round(wait * clock.SECOND)
        deliver_by = entry.data.get("by")
        return min(moment, deliver_by[0]) if deliver_by is not None and deliver_by[0] > now else moment


def _is_too_late(entry: Entry, now: int) -> bool:
    """RFC 2852 §4.1.2: the sender wants it back once its time is over."""
    deliver_by = entry.data.get("by")
    return deliver_by is not None and deliver_by[1].startswith("R") and now >= deliver_by[0]


def _groups(entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    """Rows of one message to one domain go in one transaction (RFC 5321 §4.5.4.1); a mailbox goes alone."""
    groups: dict[tuple[object, ...], list[Entry]] = {}
    for entry in entries:
        alone = entry.data.get("mailbox"), entry.data.get("list"), entry.data.get("cancelled")
        key = (entry.domain, entry.blob, entry.created, entry.sender, *alone)
        groups.setdefault(key, []).append(entry)
    return [(group[0].domain, group) for group in groups.values()]
