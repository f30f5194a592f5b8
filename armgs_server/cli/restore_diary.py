# SPDX-License-Identifier: Apache-2.0
"""A restore in the journal of acts: who, what and from when, in the first transaction that changes something,
and how much, when all is done. One that was cut off has no end there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from armgs_server.storage import Store, acts
from armgs_server.storage.tx import Tx

END = "restore.end"


class Diary:
    """Of one restore; `department` is whose journal it is in."""

    def __init__(self, department: int, actor: str, verb: str, arguments: Mapping[str, Any]) -> None:
        self._department = department
        self._actor = actor
        self._verb = verb
        self._arguments = arguments
        self.begun = False

    async def note(self, tx: Tx) -> None:
        """To be called in each transaction; a work may be run again, so nothing is remembered here."""
        if not self.begun:
            await acts.append(tx, self._department, self._actor, self._verb, self._arguments)

    def committed(self) -> None:
        """To be called after each."""
        self.begun = True

    async def end(self, store: Store, figures: Mapping[str, Any]) -> None:
        """Says what came of it, where something did."""
        if self.begun:
            told = {**self._arguments, **figures}
            await store.write(lambda tx: acts.append(tx, self._department, self._actor, END, told))
