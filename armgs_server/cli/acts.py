# SPDX-License-Identifier: Apache-2.0
"""Commands in the journal of acts (storage.acts): whatever changes the store says who did it, what, and how
it ended. The one place is `workplace.opened`, which every command works through; no command does it itself.

Invariants:
- The first transaction of a command that changes anything holds its act: both are there, or neither. A
  transaction that writes an act of its own (a verb of administration) needs no other.
- A second act says how the command ended. Where it is missing, the process was killed.
- Secrets are not in it: they come by standard input, and what might be one is masked.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from armgs_server.cli.report import Report
from armgs_server.errors import Invalid
from armgs_server.formats.addresses import normalise_domain
from armgs_server.storage import Store, acts
from armgs_server.storage.acts import Act
from armgs_server.storage.tx import Row, Tx, Value, Work

T = TypeVar("T")

MASK: Final = "***"
RESULT_LIMIT: Final = 500  # characters
VALUE_LIMIT: Final = 1000  # characters of one argument
_LOGIN_FILE: Final = Path("/proc/self/loginuid")  # proc(5): kept by the kernel, through su and sudo
_NOBODY: Final = (1 << 32) - 1
_NOT_TOLD: Final = ("config_path", "as_json")
_SECRET: Final = re.compile(r"pass(word|wd|phrase)?$|secret|token", re.IGNORECASE)
_READING: Final = re.compile(r"\s*(SELECT|PRAGMA|EXPLAIN|WITH(?!.*\b(INSERT|UPDATE|DELETE)\b))", re.DOTALL)
_OWN_ACT: Final = re.compile(r"\s*INSERT INTO act\b")


def actor() -> str:
    """The Unix account that runs the command, and whose log-in it was that has become it."""
    uid = os.getuid()
    account, login = _account(uid), _login(uid)
    return f"{login} as {account} (command)" if login and login != account else f"{account} (command)"


class CommandActs:
    """The acts of one command. `begin` when the workplace is open: what opening writes is not its own."""

    def __init__(self, verb: str, arguments: Mapping[str, Any]) -> None:
        self.verb = verb
        self.arguments = arguments
        self.result: object = None
        self._actor = actor()
        self._is_on = False
        self._first: list[Act] = []

    @classmethod
    def of_this(cls) -> CommandActs | None:
        """Those of the command that click runs; None where there is none."""
        context = click.get_current_context(silent=True)
        if context is None:
            return None
        _, _, name = context.command_path.partition(" ")
        return cls(f"armgs {name}", told(context.params))

    def around(self, store: Store) -> Store:
        """The store for the command to work with."""
        return store.around(self._wrap)

    def begin(self) -> None:
        self._is_on = True

    async def add(self, store: Store) -> None:
        """The act of a command that has written the store by other means: a backup that was restored."""
        await store.write(self._add)

    async def end(self, store: Store, error: BaseException | None) -> None:
        """How it ended, if it has changed anything; `store` is the one without acts."""
        self._is_on = False
        first = self._first
        if not first:
            return
        result = _shown(self.result) if error is None else str(error) or type(error).__name__

        async def work(tx: Tx) -> None:
            if await _is_there(tx, first[0]):
                for act in first:
                    told = {"began": act.id, "result": result[:RESULT_LIMIT]}
                    await acts.append(tx, act.owner, self._actor, self.verb, told)

        await store.write(work)

    def _wrap(self, work: Work[T]) -> Work[T]:
        async def noted(tx: Tx) -> T:
            if not self._is_on:
                return await work(tx)
            watched = (_WatchedSerial if tx.is_serial else _Watched)(tx)
            result = await work(watched)
            is_new = bool(watched.has_changed or watched.messages) and not watched.has_act
            # What an earlier try has written may have been undone, or is another transaction's.
            if is_new and not (self._first and await _is_there(tx, self._first[0])):
                await self._add(tx)
            return result

        return noted

    async def _add(self, tx: Tx) -> None:
        self._first = [
            await acts.append(tx, owner, self._actor, self.verb, self.arguments)
            for owner in await _about(tx, self.arguments)
        ]


def told(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a command as an act keeps them: those that were given, without secrets."""
    return {
        name: _argument(name, value)
        for name, value in given.items()
        if name not in _NOT_TOLD and value not in (None, False, "", ())
    }


class _Watched(Tx):
    """A transaction that notes whether anything is written in it, and whether an act is."""

    __slots__ = ("_tx", "has_act", "has_changed")

    def __init__(self, tx: Tx) -> None:
        super().__init__()
        self._tx = tx
        self.changes, self.messages = tx.changes, tx.messages
        self.has_changed = self.has_act = False

    async def rows(self, sql: str, *args: Value) -> list[Row]:
        """See Tx.rows."""
        found = await self._tx.rows(sql, *args)
        self._note(sql, len(found))
        return found

    async def execute(self, sql: str, *args: Value) -> int:
        """See Tx.execute."""
        count = await self._tx.execute(sql, *args)
        self._note(sql, count)
        return count

    async def executemany(self, sql: str, rows: Iterable[tuple[Value, ...]]) -> None:
        """See Tx.executemany."""
        many = list(rows)
        await self._tx.executemany(sql, many)
        self._note(sql, len(many))

    def _note(self, sql: str, count: int) -> None:
        if count and not self.has_act and not _READING.match(sql):
            self.has_changed = True
            self.has_act = _OWN_ACT.match(sql) is not None


class _WatchedSerial(_Watched):
    """Of an engine where nobody else writes meanwhile."""

    __slots__ = ()
    is_serial = True


async def _about(tx: Tx, arguments: Mapping[str, Any]) -> list[int]:
    """The departments whose addresses or domains are named; else the whole server."""
    found = set()
    for text in _texts(arguments.values()):
        domain = text.rpartition("@")[2]
        if "." not in domain or "/" in domain:
            continue
        try:
            name = normalise_domain(domain)
        except Invalid:
            continue
        number = await tx.value("SELECT department FROM domain WHERE name = ?", name)
        if number is not None:
            found.add(int(number))
    return sorted(found) or [acts.WHOLE]


async def _is_there(tx: Tx, act: Act) -> bool:
    hash_ = await tx.value("SELECT hash FROM act WHERE owner = ? AND id = ?", act.owner, act.id)
    return hash_ is not None and bytes(hash_) == act.hash


def _texts(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value.partition("=")[2] or value  # NAME=VALUE of `armgs do`
        elif isinstance(value, list):
            yield from _texts(value)


def _argument(name: str, value: Any) -> Any:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_argument(name, each) for each in value]
    text = str(value)
    key, sign, _ = text.partition("=")
    if _SECRET.search(name) and not isinstance(value, Path):
        return MASK
    if sign and _SECRET.search(key):
        return f"{key}={MASK}"
    return re.sub(r"(\w+://[^/@:]*):[^/@]*@", rf"\1:{MASK}@", text)[:VALUE_LIMIT]


def _shown(result: object) -> str:
    if isinstance(result, Report):
        return f"{result.accepted} accepted, {result.unchanged} unchanged, {len(result.refused)} refused"
    return "done"


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _login(uid: int) -> str:
    """Who logged in to the machine, as the kernel knows it, or as sudo says; "" where nobody did."""
    try:
        login = int(_LOGIN_FILE.read_text("ascii"))
    except (OSError, ValueError):
        login = _NOBODY
    if login not in (_NOBODY, uid):
        return _account(login)
    return os.environ.get("SUDO_USER", "")[:100]
