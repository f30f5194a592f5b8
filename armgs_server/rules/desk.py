# SPDX-License-Identifier: Apache-2.0
"""From a message and a person's rules to a plan: the scripts run, and what they want is made ready."""

from __future__ import annotations

import asyncio
from mmap import mmap

from armgs_server import log
from armgs_server.config import Config
from armgs_server.directory import Directory
from armgs_server.directory.model import Principal
from armgs_server.errors import Temporary
from armgs_server.formats import mime
from armgs_server.rules.absence import answer_of
from armgs_server.rules.host import StoreHost
from armgs_server.rules.making import Arrival, Maker
from armgs_server.rules.plan import Filed, Plan
from armgs_server.rules.sieve import machine
from armgs_server.rules.sieve.actions import INBOX, Reject, Vacation
from armgs_server.rules.sieve.letter import Letter
from armgs_server.rules.standing import Standing
from armgs_server.storage import Store

_log = log.get("rules")


class Desk:
    """Makes plans."""

    def __init__(self, store: Store, directory: Directory, config: Config) -> None:
        self._store = store
        self._directory = directory
        self._config = config

    async def plan(self, person: Principal, standing: Standing, arrival: Arrival) -> Plan:
        """What becomes of the message for this person. Temporary when the store cannot be read."""
        blobs = self._store.blobs
        if arrival.ref.data is not None:
            data: bytes | mmap = arrival.ref.data
        elif arrival.ref.place is None:  # it has waited in the queue
            data = await blobs.read(arrival.ref.hash)
        else:  # where the bytes lie elsewhere they come from there
            data = await asyncio.to_thread(blobs.open, arrival.ref)
        try:
            return await self._plan(person, standing, arrival, data)
        except Temporary:
            raise
        except Exception:  # a mistake of ours in an extension must not refuse somebody's mail
            _log.exception("rules failed", owner=person.id)
            junk = "\\Junk" if arrival.is_junk else ""
            return Plan(person.id, [Filed(INBOX, (), arrival.ref, arrival.index, special_use=junk)])
        finally:
            if isinstance(data, mmap):
                data.close()

    async def _plan(
        self, person: Principal, standing: Standing, arrival: Arrival, data: bytes | mmap
    ) -> Plan:
        root = mime.unpack(arrival.index.parts, arrival.index.header_size, len(data))
        letter = Letter(data, root)
        own = tuple([person.address, *await self._directory.aliases(person)])
        host = StoreHost(self._store, self._directory, self._config, person, own, arrival.now)
        outcome, changed = await machine.run(
            standing.programs, host, letter, arrival.envelope, self._config.sieve
        )
        error = outcome.error or standing.error
        if error:
            _log.info("rules failed", owner=person.id, error=error)
        maker = Maker(self._store, self._directory, self._config, person, letter, arrival)
        rejects = [action for action in outcome.actions if isinstance(action, Reject)]
        if rejects:
            return await maker.rejected(outcome, rejects[0])
        vacations = [action for action in outcome.actions if isinstance(action, Vacation)]
        if standing.absence is not None and not vacations and standing.absence.is_now(arrival.now):
            answer = await answer_of(
                standing.absence, person, self._directory, letter, arrival.envelope, own, self._config.sieve
            )
            vacations = [answer] if answer is not None else []
        return await maker.made(outcome, changed, vacations, error)
