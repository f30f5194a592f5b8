# SPDX-License-Identifier: Apache-2.0
"""Whether a new password may be one, by the policy of the department: the same whichever way it comes.

The rules are those that help against guessing (NIST SP 800-63B §3.1.1.2): length, no word of the own name,
none that others know. Former ones are refused where the policy says so. Kinds of characters do not matter.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from armgs_server import log
from armgs_server.directory import breached, former_passwords, policy
from armgs_server.directory.model import Principal
from armgs_server.directory.passwords import PASSWORD_LIMIT
from armgs_server.directory.policy import Policy
from armgs_server.errors import Invalid

if TYPE_CHECKING:
    from armgs_server.directory.directory import Directory

WORD: Final = 4  # letters: a shorter part of a name says nothing of a password
# What each rule says; the pages have their own words for them.
_TEXTS: Final = {
    "short": "a password has at least {} characters",
    "long": "a password has at most {} characters",
    "own": "the password repeats the address or the name",
    "breached": "the password stands in a list of passwords that others know",
    "former": "the password was used before",
}

_log = log.get("login")


class PasswordRefused(Invalid):
    """By which rule, and its number if it has one."""

    def __init__(self, rule: str, number: int = 0) -> None:
        super().__init__(_TEXTS[rule].format(number))
        self.rule = rule
        self.number = number


class NewPasswords:
    """Made by the directory, as `directory.new_passwords`; keeps nothing."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._config = directory.config

    async def of_newcomer(self, address: str, name: str, password: str) -> None:
        """For who is to be added. PasswordRefused."""
        number = self._directory.domains.get(address.rpartition("@")[2].lower(), 0)
        department = await self._directory.by_id(number) if number else None
        await self._check(policy.of(self._config, department), address, name, password)

    async def of_person(self, person: Principal, password: str) -> Policy:
        """For who is there; the policy. PasswordRefused."""
        wanted = await policy.of_person(self._directory, person)
        await self._check(wanted, person.address, person.name, password)
        await self._check_former(wanted, person, password)
        return wanted

    async def _check(self, wanted: Policy, address: str, name: str, password: str) -> None:
        if len(password) < wanted.password_length:
            raise PasswordRefused("short", wanted.password_length)
        if len(password) > PASSWORD_LIMIT:
            raise PasswordRefused("long", PASSWORD_LIMIT)
        if is_own(password, address, name):
            raise PasswordRefused("own")
        file = self._config.security.breached_passwords
        if file and await self._is_listed(self._config.path(file), password):
            raise PasswordRefused("breached")

    async def _is_listed(self, file: Path, password: str) -> bool:
        try:
            return await asyncio.to_thread(breached.is_listed, file, password)
        except (OSError, ValueError) as error:  # a list that is not there shuts nobody out
            _log.error("the list of known passwords cannot be read", file=str(file), error=str(error))
            return False

    async def _check_former(self, wanted: Policy, person: Principal, password: str) -> None:
        if not wanted.password_history:
            return
        hashes = await self._directory.store.read(
            lambda tx: former_passwords.last(tx, person.id, wanted.password_history)
        )
        for hashed in hashes:
            if await self._directory.auth.passwords.is_password(password, hashed, lambda: None):
                raise PasswordRefused("former")


def is_own(password: str, address: str, name: str) -> bool:
    """Whether the password is little more than the address, or a word of the name."""
    plain = password.casefold()
    words = {address.casefold(), address.partition("@")[0].casefold(), *name.casefold().split()}
    return plain in address.casefold() or any(
        len(word) >= WORD and word in plain and len(plain) <= len(word) + WORD for word in words
    )
