# SPDX-License-Identifier: Apache-2.0
"""From the tree of a script to its program: names, arguments, capabilities (RFC 5228 §2.10.5, §3.2).

What needs an extension that is not required is refused, as if it did not exist. Blocks behind an `ihave`
that is false (RFC 5463 §4) are not looked at and not kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from armgs_server.errors import Invalid
from armgs_server.rules.sieve import strings
from armgs_server.rules.sieve.catalogue import CAPABILITIES, COMMANDS, IMPLIED, TESTS
from armgs_server.rules.sieve.comparators import check_matching
from armgs_server.rules.sieve.grammar import Argument, Command, Tag, parse
from armgs_server.rules.sieve.language import MANY, Option, Spec, Type
from armgs_server.rules.sieve.program import Node, Program, Template, Text, Value

_CHAIN: Final = ("elsif", "else")
_ENDS: Final = ("stop", "return", "break")


@dataclass(frozen=True, slots=True)
class Checked:
    """A program, and what its author should know of it (RFC 5804 §1.3, WARNINGS)."""

    program: Program
    warnings: tuple[str, ...]


def check(script: bytes, nesting: int) -> Checked:
    """Invalid, with the line."""
    checker = _Checker()
    nodes = checker.block(parse(script, nesting), at_start=True)
    return Checked(Program(nodes, frozenset(checker.capabilities)), tuple(checker.warnings))


class _Checker:
    def __init__(self) -> None:
        self.capabilities: set[str] = set()
        self.warnings: list[str] = []

    def block(self, commands: Sequence[Command], *, at_start: bool = False) -> tuple[Node, ...]:
        """The nodes of commands that stand one behind the other."""
        nodes: list[Node] = []
        position = 0
        while position < len(commands):
            command = commands[position]
            if command.name == "require":
                if not at_start:  # RFC 5228 §3.2: before all other commands
                    raise Invalid("require stands only at the beginning", command.line)
                self._require(command)
                position += 1
                continue
            at_start = False
            if nodes and nodes[-1].name in _ENDS:
                self.warnings.append(f"line {command.line}: what stands behind {nodes[-1].name} is never run")
            if command.name == "if":
                end = position + 1
                while end < len(commands) and commands[end].name in _CHAIN:
                    end += 1
                nodes.append(self._if(commands[position:end]))
                position = end
                continue
            if command.name in _CHAIN:
                raise Invalid(f"{command.name} without if", command.line)
            nodes.append(self._command(command))
            position += 1
        return tuple(nodes)

    def _require(self, command: Command) -> None:
        names = _strings(command.arguments[0]) if len(command.arguments) == 1 else None
        if names is None or command.tests or command.block is not None:
            raise Invalid("require wants one string list", command.line)
        for name in names:
            if name not in CAPABILITIES:
                raise Invalid(f'unknown capability "{name[:60]}"', command.line)
            self._enable(name)

    def _enable(self, name: str) -> None:
        self.capabilities.add(name)
        self.capabilities.update(IMPLIED.get(name, ()))

    def _if(self, chain: Sequence[Command]) -> Node:
        """if, elsif … else (RFC 5228 §3.1)."""
        tests: list[Node] = []
        blocks: list[tuple[Node, ...]] = []
        is_settled = False  # a branch before this one is always taken
        for position, command in enumerate(chain):
            if command.arguments or command.block is None or command.has_list:
                raise Invalid(f"{command.name} wants a test and a block", command.line)
            if command.name == "else":
                if command.tests or position + 1 < len(chain):
                    raise Invalid("else has no test, and nothing behind it", command.line)
                blocks.append(() if is_settled else self.block(command.block))
                continue
            if len(command.tests) != 1:
                raise Invalid(f"{command.name} wants a test", command.line)
            known = self._known(command.tests[0])
            if is_settled or known is False:
                continue
            tests.append(self._test(command.tests[0]))
            blocks.append(self.block(command.block))
            is_settled = known is True
        return Node("if", chain[0].line, {}, tuple(tests), tuple(blocks), COMMANDS["if"].handle)

    def _known(self, test: Command) -> bool | None:
        """What a test with `ihave` in it is, where that is certain; None for all others."""
        if test.name == "ihave":
            names = _strings(test.arguments[0]) if len(test.arguments) == 1 else None
            return None if names is None else all(name in CAPABILITIES for name in names)
        inner = [self._known(each) for each in test.tests]
        if test.name == "not" and len(inner) == 1 and inner[0] is not None:
            return not inner[0]
        if test.name == "allof" and inner:
            return False if False in inner else True if all(inner) else None
        if test.name == "anyof" and inner:
            return True if True in inner else False if all(each is False for each in inner) else None
        return None

    def _command(self, command: Command) -> Node:
        spec = self._spec(COMMANDS, command, "command")
        if spec.block != (command.block is not None):
            raise Invalid(f"{command.name} {'wants a' if spec.block else 'has no'} block", command.line)
        inner = () if command.block is None else (self.block(command.block),)
        return self._node(spec, command, inner)

    def _test(self, test: Command) -> Node:
        if test.block is not None:
            raise Invalid(f"the test {test.name} has no block", test.line)
        if test.name == "ihave" and self._known(test):
            for name in _strings(test.arguments[0]) or ():
                self._enable(name)
        return self._node(self._spec(TESTS, test, "test"), test, ())

    def _spec(self, table: Mapping[str, Spec], command: Command, what: str) -> Spec:
        spec = table.get(command.name)
        if spec is None:
            raise Invalid(f"unknown {what} {command.name[:60]}", command.line)
        if spec.capability and spec.capability not in self.capabilities:
            raise Invalid(f'{command.name} needs require "{spec.capability}"', command.line)
        return spec

    def _node(self, spec: Spec, command: Command, blocks: tuple[tuple[Node, ...], ...]) -> Node:
        try:
            arguments = self._arguments(spec, command.arguments)
            check_matching(arguments, self.capabilities)
            if spec.check is not None:
                spec.check(arguments)
        except Invalid as error:
            raise Invalid(f"{command.name}: {error.text}", command.line) from error
        count = len(command.tests)
        if spec.tests == MANY:
            if not command.has_list:
                raise Invalid(f"{command.name} wants tests in parentheses", command.line)
        elif count != spec.tests or command.has_list:
            raise Invalid(f"{command.name} wants {spec.tests or 'no'} test", command.line)
        tests = tuple(self._test(test) for test in command.tests)
        return Node(command.name, command.line, arguments, tests, blocks, spec.handle)

    def _arguments(self, spec: Spec, given: Sequence[Argument]) -> dict[str, Value]:
        """Tagged arguments by their key, positional ones by their name."""
        arguments: dict[str, Value] = {}
        rest: list[Argument] = []
        position = 0
        while position < len(given):
            argument = given[position]
            position += 1
            if not isinstance(argument, Tag):
                rest.append(argument)
                continue
            if rest:
                raise Invalid(f":{argument.name} stands behind an argument without a tag")
            option = self._option(spec, argument.name)
            if option.key in arguments:
                raise Invalid(f":{argument.name} is one too many")
            if option.type is None:
                arguments[option.key] = option.value or option.name
                continue
            if position == len(given):
                raise Invalid(f":{argument.name} wants {option.type.value}")
            value = self._value(option.type, given[position], f":{argument.name}")
            position += 1
            arguments[option.key] = (option.value, _text(value)) if option.value else value
        wanted = spec.positional
        if len(rest) < len(wanted):
            wanted = wanted[1:] if spec.may_skip else wanted[:-1] if spec.may_drop else wanted
        if len(rest) != len(wanted):
            raise Invalid(f"has {len(rest)} arguments instead of {len(wanted)}")
        for (name, kind), argument in zip(wanted, rest, strict=True):
            arguments[name] = self._value(kind, argument, f"the {name}")
        return arguments

    def _option(self, spec: Spec, name: str) -> Option:
        for option in spec.options:
            if option.name == name:
                if option.capability and option.capability not in self.capabilities:
                    raise Invalid(f':{name} needs require "{option.capability}"')
                return option
        raise Invalid(f"has no :{name[:60]}")

    def _value(self, kind: Type, argument: Argument, what: str) -> Value:
        if kind is Type.NUMBER:
            if not isinstance(argument, int):
                raise Invalid(f"{what} wants a number")
            return argument
        if kind is Type.STRING:
            if not isinstance(argument, str):
                raise Invalid(f"{what} wants a string")
            return self._string(argument)
        found = _strings(argument)
        if found is None:
            raise Invalid(f"{what} wants a string list")
        return [_text(self._string(each)) for each in found]

    def _string(self, text: str) -> Value:
        if "encoded-character" in self.capabilities:
            text = strings.decode(text)
        return strings.template(text) if "variables" in self.capabilities else text


def _text(value: Value) -> Text:
    assert isinstance(value, str | Template)  # made of a string
    return value


def _strings(argument: Argument) -> list[str] | None:
    if isinstance(argument, str):
        return [argument]
    return argument if isinstance(argument, list) else None
