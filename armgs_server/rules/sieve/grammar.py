# SPDX-License-Identifier: Apache-2.0
"""The grammar of scripts: RFC 5228 §8.2. What a name means is not looked at here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from armgs_server.errors import Invalid
from armgs_server.rules.sieve.lexer import Kind, Token, parse_tokens


@dataclass(frozen=True, slots=True)
class Tag:
    """`:name`, in lower case."""

    name: str


# string-list / number / tag; one string without brackets is a str.
Argument: TypeAlias = Tag | int | str | list[str]


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a test: identifier arguments, and behind a command `;` (block None) or a block."""

    name: str
    line: int
    arguments: tuple[Argument, ...]
    tests: tuple[Command, ...]
    has_list: bool  # the tests stand in parentheses
    block: tuple[Command, ...] | None = None


def parse(script: bytes, nesting: int) -> tuple[Command, ...]:
    """The commands of a script. Invalid, also for more than `nesting` blocks or tests in one another."""
    return _Parser(parse_tokens(script), nesting).script()


class _Parser:
    def __init__(self, tokens: Iterator[Token], nesting: int) -> None:
        self._tokens = tokens
        self._token = next(tokens)
        self._room = nesting

    def script(self) -> tuple[Command, ...]:
        commands = self._commands()
        if self._token.kind is not Kind.END:
            raise self._unexpected("a command")
        return commands

    def _commands(self) -> tuple[Command, ...]:
        found = []
        while self._token.kind is Kind.IDENTIFIER:
            found.append(self._command())
        return tuple(found)

    def _command(self) -> Command:
        test = self._test()
        if self._take(";"):
            return test
        if self._token.value != "{" or self._token.kind is not Kind.MARK:
            raise self._unexpected("';' or '{'")
        self._enter()
        self._advance()
        block = self._commands()
        if not self._take("}"):
            raise self._unexpected("a command or '}'")
        self._room += 1
        return Command(test.name, test.line, test.arguments, test.tests, test.has_list, block)

    def _test(self) -> Command:
        """identifier arguments: a test, or a command up to its end."""
        if self._token.kind is not Kind.IDENTIFIER:
            raise self._unexpected("a name")
        name, line = str(self._token.value), self._token.line
        self._advance()
        arguments = []
        while (argument := self._argument()) is not None:
            arguments.append(argument)
        tests: tuple[Command, ...] = ()
        has_list = False
        self._enter()
        if self._take("("):
            has_list = True
            tests = self._test_list()
        elif self._token.kind is Kind.IDENTIFIER:
            tests = (self._test(),)
        self._room += 1
        return Command(name, line, tuple(arguments), tests, has_list)

    def _test_list(self) -> tuple[Command, ...]:
        found = [self._test()]
        while self._take(","):
            found.append(self._test())
        if not self._take(")"):
            raise self._unexpected("',' or ')'")
        return tuple(found)

    def _argument(self) -> Argument | None:
        token = self._token
        if token.kind is Kind.TAG:
            self._advance()
            return Tag(str(token.value))
        if token.kind in (Kind.NUMBER, Kind.STRING):
            self._advance()
            return token.value
        return self._string_list() if self._take("[") else None

    def _string_list(self) -> list[str]:
        """An empty list is taken: RFC 5228's grammar has none, RFC 5232 §3.1 and others write it."""
        if self._take("]"):
            return []
        found = [self._string()]
        while self._take(","):
            found.append(self._string())
        if not self._take("]"):
            raise self._unexpected("',' or ']'")
        return found

    def _string(self) -> str:
        if self._token.kind is not Kind.STRING:
            raise self._unexpected("a string")
        value = str(self._token.value)
        self._advance()
        return value

    def _take(self, mark: str) -> bool:
        if self._token.kind is Kind.MARK and self._token.value == mark:
            self._advance()
            return True
        return False

    def _advance(self) -> None:
        self._token = next(self._tokens)

    def _enter(self) -> None:
        self._room -= 1
        if self._room < 0:
            raise Invalid("blocks or tests are nested too deep", self._token.line)

    def _unexpected(self, wanted: str) -> Invalid:
        token = self._token
        if token.kind is Kind.END:
            return Invalid(f"{wanted} is expected at the end of the script", token.line)
        return Invalid(f"{wanted} is expected instead of {str(token.value)[:40]!r}", token.line)
