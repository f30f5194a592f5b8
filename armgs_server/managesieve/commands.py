# SPDX-License-Identifier: Apache-2.0
"""The commands of RFC 5804 §2, and the table of them."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from armgs_server.errors import AlreadyExists, Conflict, Invalid, NotFound
from armgs_server.formats.stream_safe import stream_safe
from armgs_server.managesieve import login
from armgs_server.managesieve.responses import (
    ACTIVE,
    ALREADY_EXISTS,
    MAX_SCRIPTS,
    MAX_SIZE,
    NONEXISTENT,
    WARNINGS,
    No,
    ok,
    string,
)
from armgs_server.rules.sieve.checking import Checked, check
from armgs_server.rules.sieve.program import serialise
from armgs_server.storage import clock, sieve
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.managesieve.session import Session

Handle: TypeAlias = Callable[["Session", Sequence[bytes | int]], Awaitable[None]]

# RFC 5804 §1.6: 512 octets, none of these categories.
NAME_LIMIT: Final = 512
_NOT_IN_NAME: Final = ("Cc", "Zl", "Zp", "Cs")
# A script above this is checked in a thread.
LARGE: Final = 4 * 1024


@dataclass(frozen=True, slots=True)
class Spec:
    """When a command is allowed, and how many arguments it has."""

    handle: Handle
    least: int
    most: int
    before_login: bool
    after_login: bool


async def handle_capability(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.4"""
    session.write(session.capabilities() + ok("that is all"))


async def handle_logout(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.3"""
    session.write(ok("goodbye"))
    session.is_ended = True


async def handle_noop(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.13"""
    if not arguments:
        session.write(ok("done"))
        return
    tag = arguments[0]
    if isinstance(tag, int):
        raise No("a string is expected")
    session.write(b"OK (TAG " + string(tag) + b') "done"\r\n')


async def handle_havespace(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.5"""
    name, size = _name(session, arguments[0]), arguments[1]
    if not isinstance(size, int):
        raise No("a number is expected")
    await _check_room(session, name, size)
    session.write(ok("there is room"))


async def handle_putscript(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.6"""
    name, text = _name(session, arguments[0]), _script(arguments[1])
    await _check_room(session, name, len(text))
    checked = await _check(session, text)
    program = serialise(checked.program)
    owner, now = session.owner, clock.now()
    await session.core.store.write(lambda tx: sieve.put(tx, owner, name, text, program, now))
    _approve(session, checked)


async def handle_checkscript(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.12"""
    text = _script(arguments[0])
    if len(text) > session.settings.script_size:
        raise No("the script is too large", MAX_SIZE)
    _approve(session, await _check(session, text))


async def handle_listscripts(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.7"""
    found = await session.core.store.read(lambda tx: sieve.listed(tx, session.owner))
    lines = [string(each.name.encode()) + (b" ACTIVE\r\n" if each.is_active else b"\r\n") for each in found]
    session.write(b"".join(lines) + ok("that is all"))


async def handle_setactive(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.8: "" means none."""
    name = "" if arguments[0] == b"" else _name(session, arguments[0])
    owner = session.owner
    await session.core.store.write(lambda tx: sieve.activate(tx, owner, name))
    session.write(ok("so be it"))


async def handle_getscript(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.9"""
    name = _name(session, arguments[0])
    script = await session.core.store.read(lambda tx: sieve.get(tx, session.owner, name))
    session.write(b"{%d}\r\n" % len(script.text) + script.text + b"\r\n" + ok("that is it"))


async def handle_deletescript(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.10"""
    name, owner = _name(session, arguments[0]), session.owner
    try:
        await session.core.store.write(lambda tx: sieve.delete(tx, owner, name))
    except Conflict as error:
        raise No("the script is active", ACTIVE) from error
    session.write(ok("it is gone"))


async def handle_renamescript(session: Session, arguments: Sequence[bytes | int]) -> None:
    """RFC 5804 §2.11"""
    name, new, owner = _name(session, arguments[0]), _name(session, arguments[1]), session.owner
    if name == new:
        await session.core.store.read(lambda tx: sieve.get(tx, owner, name))
    else:
        await session.core.store.write(lambda tx: sieve.rename(tx, owner, name, new))
    session.write(ok("it has the new name"))


async def _check_room(session: Session, name: str, size: int) -> None:
    if size > session.settings.script_size:
        raise No("the script is too large", MAX_SIZE)
    owner, limit = session.owner, session.settings.scripts

    async def work(tx: Tx) -> bool:
        return await sieve.has_room(tx, owner, name, limit)

    if not await session.core.store.read(work):
        raise No("there are too many scripts", MAX_SCRIPTS)


async def _check(session: Session, text: bytes) -> Checked:
    """RFC 5804 §2.6: a script that is wrong is not taken; where it is wrong is said."""
    nesting = session.settings.nesting
    try:
        if len(text) > LARGE:
            return await asyncio.to_thread(check, text, nesting)
        return check(text, nesting)
    except Invalid as error:
        raise No(str(error)) from error


def _approve(session: Session, checked: Checked) -> None:
    if checked.warnings:
        session.write(ok("\r\n".join(checked.warnings), WARNINGS))
    else:
        session.write(ok("the script is right"))


def _script(argument: bytes | int) -> bytes:
    if isinstance(argument, int):
        raise No("a string is expected")
    return argument


def _name(session: Session, argument: bytes | int) -> str:
    """RFC 5804 §1.6: the name of a script, Net-Unicode."""
    name = unicodedata.normalize("NFC", stream_safe(session.text(argument)))
    if not name or len(name.encode()) > NAME_LIMIT:
        raise No(f"a script's name has 1 to {NAME_LIMIT} octets")
    if any(unicodedata.category(character) in _NOT_IN_NAME for character in name):
        raise No("a script's name has no control characters")
    return name


# RFC 5804 §2: which commands there are in which state.
COMMANDS: Final[Mapping[str, Spec]] = {
    "AUTHENTICATE": Spec(login.handle_authenticate, 1, 2, True, False),
    "STARTTLS": Spec(login.handle_starttls, 0, 0, True, False),
    "LOGOUT": Spec(handle_logout, 0, 0, True, True),
    "CAPABILITY": Spec(handle_capability, 0, 0, True, True),
    "NOOP": Spec(handle_noop, 0, 1, True, True),
    "HAVESPACE": Spec(handle_havespace, 2, 2, False, True),
    "PUTSCRIPT": Spec(handle_putscript, 2, 2, False, True),
    "CHECKSCRIPT": Spec(handle_checkscript, 1, 1, False, True),
    "LISTSCRIPTS": Spec(handle_listscripts, 0, 0, False, True),
    "SETACTIVE": Spec(handle_setactive, 1, 1, False, True),
    "GETSCRIPT": Spec(handle_getscript, 1, 1, False, True),
    "DELETESCRIPT": Spec(handle_deletescript, 1, 1, False, True),
    "RENAMESCRIPT": Spec(handle_renamescript, 2, 2, False, True),
    "UNAUTHENTICATE": Spec(login.handle_unauthenticate, 0, 0, False, True),
}
ERRORS: Final = (
    (NotFound, "there is no such script", NONEXISTENT),
    (AlreadyExists, "the name is taken", ALREADY_EXISTS),
)
