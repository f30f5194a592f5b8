# SPDX-License-Identifier: Apache-2.0
"""Scripts run on letters, for a person of a real store, without a delivery around them."""

from __future__ import annotations

from pathlib import Path

from armgs_server.config import Config, ServerSettings, SieveSettings
from armgs_server.directory import Directory
from armgs_server.directory.model import Principal
from armgs_server.rules.host import StoreHost
from armgs_server.rules.sieve import machine
from armgs_server.rules.sieve.actions import Action, Envelope, FileInto, Outcome
from armgs_server.rules.sieve.checking import check
from armgs_server.rules.sieve.letter import Letter
from armgs_server.rules.sieve.program import load, serialise
from armgs_server.storage import Store, clock
from tests.rules.sieve.cases import LETTER, RECIPIENT, SENDER

ADDRESS = "petrova@digital.example"


class Office:
    """One person, Petrova."""

    def __init__(self, store: Store, directory: Directory, config: Config, owner: Principal) -> None:
        self.store = store
        self.directory = directory
        self.config = config
        self.owner = owner

    @classmethod
    async def open(cls, path: Path, **limits: int | float | str) -> Office:
        config = Config(
            directory=path,
            server=ServerSettings(domains=("digital.example",), hostname="mx.digital.example"),
            sieve=SieveSettings(**limits),  # type: ignore[arg-type]
        )
        store = await Store.open("sqlite", path / "data")
        directory = await Directory.open(store, config)
        await directory.create_department("Digital", ["digital.example"])
        owner = await directory.create_person(ADDRESS, "Петрова Анна")
        return cls(store, directory, config, owner)

    async def close(self) -> None:
        await self.directory.close()
        await self.store.close()

    async def run(
        self,
        *scripts: str,
        letter: str | bytes = LETTER,
        sender: str = SENDER,
        recipient: str = RECIPIENT,
        now: int | None = None,
    ) -> tuple[Outcome, Letter]:
        """What scripts make of a letter; each goes through the form in which it is kept."""
        programs = []
        for text in scripts:
            program = check(text.encode(), self.config.sieve.nesting).program
            kept = load(serialise(program))
            assert kept == program
            programs.append(program)
        moment = clock.now() if now is None else now
        host = StoreHost(self.store, self.directory, self.config, self.owner, (ADDRESS,), moment)
        data = letter.encode() if isinstance(letter, str) else letter
        return await machine.run(
            programs, host, Letter.of(data), Envelope(sender, recipient), self.config.sieve
        )

    async def outcome(self, script: str, **options: str | bytes) -> Outcome:
        """The outcome of one script, which must not fail."""
        outcome, _ = await self.run(script, **options)  # type: ignore[arg-type]
        assert outcome.error == ""
        return outcome

    async def error(self, script: str, **options: str | bytes) -> str:
        """The error of one script, which must fail, and keep the message."""
        outcome, _ = await self.run(script, **options)  # type: ignore[arg-type]
        assert outcome.error
        assert (outcome.keeps, outcome.actions) == (True, [])
        return outcome.error


def only(outcome: Outcome) -> Action:
    """The one action there is."""
    [action] = outcome.actions
    return action


def filed(outcome: Outcome) -> dict[str, tuple[str, ...]]:
    """Mailboxes with the flags of each copy."""
    return {action.mailbox: action.flags for action in outcome.actions if isinstance(action, FileInto)}
