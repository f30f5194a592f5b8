# SPDX-License-Identifier: Apache-2.0
"""All of the language: the extensions, put together once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Final

from armgs_server.rules.sieve.extensions import (
    answers,
    body,
    control,
    date,
    duplicate,
    editheader,
    envelope,
    filing,
    flags,
    headers,
    include,
    lists,
    mailboxes,
    mime,
    notify,
    spamtest,
    variables,
)
from armgs_server.rules.sieve.language import Extension, Handle, Option, Spec

EXTENSIONS: Final[tuple[Extension, ...]] = tuple(
    module.EXTENSION
    for module in (
        control,
        filing,
        headers,
        envelope,
        answers,
        variables,
        flags,
        body,
        date,
        editheader,
        mailboxes,
        duplicate,
        include,
        notify,
        mime,
        lists,
        spamtest,
    )
)
NOTIFY_METHODS: Final = ("mailto", "xmpp")  # RFC 5804 §1.7, NOTIFY

# A capability with those it contains.
IMPLIED: Final[Mapping[str, tuple[str, ...]]] = {
    name: contained for each in EXTENSIONS for name, contained in each.capabilities.items()
}
CAPABILITIES: Final = frozenset(IMPLIED)


def _table(specs: Iterable[Spec]) -> dict[str, Spec]:
    widened: dict[str, tuple[Option, ...]] = {}
    for extension in EXTENSIONS:
        for name, options in (extension.widens or {}).items():
            widened[name] = (*widened.get(name, ()), *options)
    return {spec.name: replace(spec, options=(*spec.options, *widened.get(spec.name, ()))) for spec in specs}


COMMANDS: Final = _table(spec for each in EXTENSIONS for spec in each.commands)
TESTS: Final = _table(spec for each in EXTENSIONS for spec in each.tests)


@cache
def handles() -> Mapping[str, Handle]:
    """What runs each command and test, by its name; no command has the name of a test."""
    return {name: spec.handle for table in (COMMANDS, TESTS) for name, spec in table.items()}
