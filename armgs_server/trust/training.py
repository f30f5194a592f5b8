# SPDX-License-Identifier: Apache-2.0
"""Teaches rspamd what people have called junk, or not junk: /learnspam, /learnham.

The lessons are rows of the store, written with the move or the keyword; any process may take them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from armgs_server import log
from armgs_server.errors import Invalid, NotFound
from armgs_server.service import Core
from armgs_server.storage import clock, training
from armgs_server.storage.training import Lesson
from armgs_server.storage.waiting_work import WaitingWork
from armgs_server.trust import rspamd
from armgs_server.trust.endpoint import Endpoint

LEASE = 5 * clock.MINUTE  # what a killed worker leaves waits so long
CLAIM_LIMIT = 20
FAILED_WAIT = 60.0
DAY = 24 * 60 * clock.MINUTE

_log = log.get("trust")


class Trainer:
    """Takes lessons out of the store while the controller answers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._work = WaitingWork(core.store, training.TOPIC, "training", self._look, failed_wait=FAILED_WAIT)

    async def start(self) -> None:
        """Begins to look."""
        self._work.start()

    async def stop(self) -> None:
        """Ends; what was being taught stays in the store."""
        await self._work.stop()

    async def run_once(self) -> bool:
        """Teaches what waits; False when the controller is away, and the lessons wait."""
        while taken := await self._work.take(training.claim, CLAIM_LIMIT, LEASE):
            for place, lesson in enumerate(taken):
                try:
                    await self._teach(lesson)
                except (OSError, TimeoutError, EOFError) as error:
                    await self._postpone(taken[place:], str(error) or type(error).__name__)
                    return False
                except Invalid as error:
                    await self._postpone([lesson], error.text)
                else:
                    await self._finish([lesson])
        return True

    async def _look(self) -> None:
        if self._core.config.trust.rspamd_controller:
            await self.run_once()

    async def _teach(self, lesson: Lesson) -> None:
        settings = self._core.config.trust
        try:
            text = await self._core.store.blobs.read(lesson.blob, 0, settings.filter_size)
        except NotFound:
            return
        endpoint = Endpoint.parse(settings.rspamd_controller)
        async with asyncio.timeout(settings.filter_timeout):
            await rspamd.learn(endpoint, self._password(), text, is_spam=lesson.is_spam)
        _log.info("lesson learned", owner=lesson.owner, spam=lesson.is_spam)

    async def _postpone(self, lessons: Sequence[Lesson], reason: str) -> None:
        """For a while; those that have waited for days are given up."""
        now = clock.now()
        oldest = now - self._core.config.trust.training_days * DAY
        over = [lesson for lesson in lessons if lesson.created < oldest]
        left = [lesson for lesson in lessons if lesson.created >= oldest]
        _log.warning("lessons not learned", error=reason, postponed=len(left), given_up=len(over))
        await self._finish(over)
        due = now + round(FAILED_WAIT * clock.SECOND)
        await self._core.store.write(lambda tx: training.postpone(tx, left, due))

    async def _finish(self, lessons: Sequence[Lesson]) -> None:
        await self._core.store.write(lambda tx: training.finish(tx, lessons))

    def _password(self) -> str:
        """OSError where the file cannot be read."""
        name = self._core.config.trust.rspamd_password
        return self._core.config.path(name).read_text(encoding="utf-8").strip() if name else ""
