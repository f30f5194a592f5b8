# SPDX-License-Identifier: Apache-2.0
"""Runs programs on a letter: control flow, variables, and the bounds of time and effects.

Invariants:
- A run ends: programs have no loops but over the parts of a message, each command and test costs one of
  `instructions`, and computing is stopped after `cpu_time`.
- The loop breathes: after SLICE instructions the other connections have their turn; a large message is
  decoded in a thread.
- An error undoes all that the scripts wanted, and the message is kept (RFC 5228 §2.10.6).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from armgs_server.config import SieveSettings
from armgs_server.errors import Invalid
from armgs_server.formats.mime import Part
from armgs_server.rules.sieve import comparators
from armgs_server.rules.sieve.actions import Action, Envelope, FileInto, Outcome
from armgs_server.rules.sieve.letter import Letter
from armgs_server.rules.sieve.outside import Host
from armgs_server.rules.sieve.program import Node, Program, Template, Text, Variable

T = TypeVar("T")

SLICE: Final = 250
# flag = system flag of RFC 3501 §2.3.2, or an atom
_FLAG: Final = re.compile(r"\\(?i:seen|answered|flagged|deleted|draft|recent)|[!#$&'+-\[^-z|}~\]]+")
# A message above this is decoded, searched and rewritten off the loop.
LARGE: Final = 64 * 1024


class Stop(Exception):
    """stop: the script ends, and whoever has included it (RFC 6609 §3.2)."""


class Return(Exception):
    """return: this script ends (RFC 6609 §3.3)."""


class Break(Exception):
    """break: a foreverypart ends (RFC 5703 §4)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(slots=True)
class Frame:
    """What belongs to one script: its variables, and which of them are global (RFC 6609 §3.4)."""

    program: Program
    variables: dict[str, str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    matches: Sequence[str] = ()  # RFC 5229 §3.2
    depth: int = 0


class Run:
    """The state of one message's scripts. Extensions read and change it."""

    def __init__(self, host: Host, letter: Letter, envelope: Envelope, limits: SieveSettings) -> None:
        self.host = host
        self.letter = letter
        self.envelope = envelope
        self.limits = limits
        self.outcome = Outcome()
        self.frame = Frame(Program((), frozenset()))
        self.globals: dict[str, str] = {}
        self.flags: tuple[str, ...] = ()  # the internal variable of RFC 5232 §2
        self.part: Part | None = None  # of the innermost foreverypart
        self.included: set[tuple[str, str]] = set()
        self.includes = 0
        self._instructions = 0
        self._computed = 0.0
        self._since = time.thread_time()

    # The machine.

    async def script(self, program: Program) -> None:
        """A script from its beginning."""
        self.frame = Frame(program)
        self.flags = ()
        with contextlib.suppress(Return, Stop):
            await self.execute(program.nodes)

    async def execute(self, nodes: Sequence[Node]) -> None:
        """Commands one behind the other. Invalid with the line."""
        for node in nodes:
            await self._step()
            try:
                await node.handle(self, node)
            except Invalid as error:
                raise Invalid(error.text, error.line or node.line) from error

    async def evaluate(self, node: Node) -> bool:
        """A test."""
        await self._step()
        try:
            return bool(await node.handle(self, node))
        except Invalid as error:
            raise Invalid(error.text, error.line or node.line) from error

    async def _step(self) -> None:
        self._instructions += 1
        if self._instructions > self.limits.instructions:
            raise Invalid("the script takes too many steps")
        if self._instructions % SLICE == 0:
            self._pause()
            await asyncio.sleep(0)
            self._since = time.thread_time()

    def _pause(self) -> None:
        self._computed += time.thread_time() - self._since
        if self._computed > self.limits.cpu_time:
            raise Invalid("the script takes too long")

    async def aside(self, work: Callable[[], T]) -> T:
        """Computes with the message's bytes: in a thread where they are many."""
        if len(self.letter.data) <= LARGE:
            return work()

        def timed() -> tuple[T, float]:
            begun = time.thread_time()
            return work(), time.thread_time() - begun

        self._pause()
        made, spent = await asyncio.to_thread(timed)
        self._computed += spent
        self._since = time.thread_time()
        return made

    # Arguments.

    def text(self, node: Node, key: str, default: str = "") -> str:
        """A string argument with its variables filled in."""
        value = node.arguments.get(key)
        if value is None:
            return default
        assert isinstance(value, str | Template)  # by its Type
        return self.fill(value)

    def texts(self, node: Node, key: str) -> list[str]:
        """The same of a string list."""
        value = node.arguments.get(key, [])
        assert isinstance(value, list)  # by its Type
        return [self.fill(each) for each in value]

    def number(self, node: Node, key: str, default: int = 0) -> int:
        """A number argument."""
        value = node.arguments.get(key, default)
        assert isinstance(value, int)  # by its Type
        return value

    def word(self, node: Node, key: str, default: str = "") -> str:
        """Which tag of a slot was given."""
        value = node.arguments.get(key, default)
        if isinstance(value, tuple):
            return value[0]
        assert isinstance(value, str)  # by its Type
        return value

    def fill(self, text: Text) -> str:
        """RFC 5229 §3: unknown variables are empty."""
        if isinstance(text, str):
            return text
        filled = "".join(
            self.variable(piece.name) if isinstance(piece, Variable) else piece for piece in text.pieces
        )
        return filled[: self.limits.variable_size]

    # Variables.

    def variable(self, name: str) -> str:
        """The value, "" for one that was never set."""
        if name.isdigit():
            number = int(name)
            return self.frame.matches[number] if number < len(self.frame.matches) else ""
        scope, name = self._scope(name)
        return scope.get(name, "")

    def set_variable(self, name: str, value: str) -> None:
        """Invalid beyond the limits."""
        scope, name = self._scope(name.lower())
        if name not in scope and len(scope) >= self.limits.variables:
            raise Invalid("too many variables")
        scope[name] = value[: self.limits.variable_size]

    def _scope(self, name: str) -> tuple[dict[str, str], str]:
        if name.startswith("global."):
            return self.globals, name.removeprefix("global.")
        return (self.globals if name in self.frame.shared else self.frame.variables), name

    def flag_list(self, texts: Sequence[str]) -> list[str]:
        """RFC 5232 §2: flags with white space between, each once; what is no flag of IMAP is left out."""
        flags: dict[str, str] = {}
        for flag in " ".join(texts).split():
            if _FLAG.fullmatch(flag) and flag.lower() != "\\recent":
                flags.setdefault(flag.lower(), flag)
        return list(flags.values())

    # Matching.

    async def is_match(
        self, node: Node, values: Iterable[str], keys: Sequence[str], *, captures: bool = True
    ) -> bool:
        """RFC 5228 §2.7: whether any value goes with any key, by the match type of the test."""
        kind = self.word(node, "match", "is")
        name = node.arguments.get("comparator", comparators.DEFAULT)
        comparator = comparators.COMPARATORS[str(name)]
        if kind == "list":
            return await self._is_listed(values, keys)
        if kind in ("count", "value"):
            argument = node.arguments["match"]
            relation = self.fill(argument[1]).lower() if isinstance(argument, tuple) else ""
            if relation not in comparators.RELATIONS:
                raise Invalid(f"{relation[:20]!r} is no relation")
            found = [str(len(list(values)))] if kind == "count" else values
            return any(comparators.relates(comparator, relation, each, key) for each in found for key in keys)
        memory = self.limits.regex_memory
        for value in values:
            for key in keys:
                captured = comparators.test(comparator, kind, value, key, memory)
                if captured is None:
                    continue
                if captures and captured and "variables" in self.frame.program.capabilities:
                    size = self.limits.variable_size
                    self.frame.matches = [each[:size] for each in captured]
                return True
        return False

    async def _is_listed(self, values: Iterable[str], keys: Sequence[str]) -> bool:
        for value in values:
            for key in keys:
                await self._step()
                if await self.host.is_listed(key, value):
                    return True
        return False

    # Actions.

    def act(self, action: Action, *, keeps: bool = False) -> None:
        """Wants something done; Invalid beyond the limits."""
        if len(self.outcome.actions) >= self.limits.actions:
            raise Invalid("too many actions")
        self.outcome.actions.append(action)
        if not keeps:
            self.outcome.keeps = False


async def run(
    programs: Sequence[Program], host: Host, letter: Letter, envelope: Envelope, limits: SieveSettings
) -> tuple[Outcome, Letter]:
    """The outcome of a department's program and a person's, and the letter as the implicit keep takes it.

    A later program runs where those before have not taken the message away.
    """
    state = Run(host, letter, envelope, limits)
    try:
        for program in programs:
            await state.script(program)
            if not state.outcome.keeps and not any(_is_keep(action) for action in state.outcome.actions):
                break
    except Invalid as error:
        return Outcome(error=str(error)), letter
    state.outcome.keep_flags = state.flags
    return state.outcome, state.letter


def _is_keep(action: Action) -> bool:
    return isinstance(action, FileInto) and action.mailbox == "INBOX"
