# SPDX-License-Identifier: Apache-2.0
"""Who has rules, and which: asked for every message, so remembered.

What is remembered is forgotten when the store says that it has changed (topics of `storage.sieve` and of the
directory), and after a minute in any case: a hint that was lost costs time, not truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from armgs_server import log
from armgs_server.config import Config
from armgs_server.directory import Directory
from armgs_server.directory.cache import Cache
from armgs_server.directory.model import TOPIC as DIRECTORY_TOPIC
from armgs_server.errors import Invalid
from armgs_server.rules.host import program_of
from armgs_server.rules.sieve.program import Program
from armgs_server.storage import Store, absences, clock, sieve
from armgs_server.storage.absences import Absence
from armgs_server.storage.tx import Tx

REMEMBERED: Final = 50_000  # owners
KEPT: Final = clock.MINUTE
PART: Final = 500  # owners asked about in one statement

_log = log.get("rules")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is to be run for an owner's mail: the department's program, the person's, an absence."""

    programs: tuple[Program, ...] = ()
    absence: Absence | None = None
    error: str = ""  # of a script that cannot be run any more
    expires: int = 0

    @property
    def is_idle(self) -> bool:
        """Mail is simply kept."""
        return not self.programs and self.absence is None and not self.error


class Standings:
    """The standings of owners, remembered."""

    def __init__(self, store: Store, directory: Directory, config: Config) -> None:
        self._store = store
        self._directory = directory
        self._config = config
        self._known: Cache[int, Standing] = Cache(REMEMBERED)
        self._departments: set[int] = set()  # of those who are known
        self._changes = 0  # a reading that was begun before a change is not remembered
        self._unsubscribe: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begins to hear of changes."""
        bus = self._store.bus
        topics = (sieve.TOPIC, DIRECTORY_TOPIC)
        self._unsubscribe = [bus.subscribe(topic, self._forget) for topic in topics]

    def stop(self) -> None:
        """Ends."""
        while self._unsubscribe:
            self._unsubscribe.pop()()
        self._known.clear()

    async def busy(self, owners: Iterable[int], now: int) -> Mapping[int, Standing]:
        """Those of the owners for whom there is something to do."""
        found: dict[int, Standing] = {}
        missing: list[int] = []
        for owner in owners:
            standing = self._known.get(owner)
            if standing is None or standing.expires <= now:
                missing.append(owner)
            elif not standing.is_idle:
                found[owner] = standing
        for at in range(0, len(missing), PART):
            made = await self._read(missing[at : at + PART], now)
            found.update((owner, standing) for owner, standing in made.items() if not standing.is_idle)
        return found

    async def _read(self, owners: Sequence[int], now: int) -> Mapping[int, Standing]:
        begun = self._changes
        departments = {}
        for owner in owners:
            person = await self._directory.by_id(owner)
            departments[owner] = person.department if person is not None else 0
        wanted = sorted({*owners, *departments.values()})
        scripts, away = await self._store.read(lambda tx: _all_of(tx, wanted))
        made = {
            owner: self._standing(
                [scripts[each] for each in (departments[owner], owner) if each in scripts],
                away.get(owner),
                now,
            )
            for owner in owners
        }
        if begun == self._changes:
            self._departments.update(departments.values())
            for owner, standing in made.items():
                self._known.put(owner, standing)
        return made

    def _standing(self, scripts: Sequence[sieve.Script], absence: Absence | None, now: int) -> Standing:
        programs: list[Program] = []
        error = ""
        for script in scripts:
            try:
                programs.append(program_of(script, self._config.sieve.nesting))
            except Invalid as problem:  # what was valid when it was put need not be so for ever
                error = f"{script.name}: {problem}"
                _log.warning("a script cannot be run", script=script.name, error=problem)
        if absence is not None and absence.ends <= now:
            absence = None
        return Standing(tuple(programs), absence, error, now + KEPT)

    def _forget(self, data: bytes) -> None:
        """A department's script is everybody's of it: all are forgotten, which costs them one reading."""
        self._changes += 1
        self._known.drop(int(data))
        if int(data) in self._departments:
            self._known.clear()
            self._departments.clear()


async def _all_of(tx: Tx, owners: Sequence[int]) -> tuple[dict[int, sieve.Script], dict[int, Absence]]:
    return await sieve.active_of(tx, owners), await absences.of_many(tx, owners)
