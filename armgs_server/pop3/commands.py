# SPDX-License-Identifier: Apache-2.0
"""The command table, and the commands of the TRANSACTION state: RFC 1939 §5, §7, CAPA (RFC 2449 §5), LANG and
UTF8 (RFC 6856)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from armgs_server import __version__
from armgs_server.errors import Conflict
from armgs_server.pop3 import login
from armgs_server.pop3.maildrop import Maildrop
from armgs_server.pop3.responses import SYS_TEMP, DotStuffing, Head, Pop3Error, listing, ok

if TYPE_CHECKING:
    from armgs_server.pop3.session import Session

# RFC 6856 §3.1: texts are in English, which is i-default, too (RFC 2277 §4.5).
LANGUAGES = ("en", "i-default")


@dataclass(frozen=True, slots=True)
class Spec:
    """One command: who answers it, and in which states."""

    handle: Callable[[Session, str], Awaitable[None]]
    before_login: bool = False
    after_login: bool = True


async def handle_capa(session: Session, argument: str) -> None:
    """RFC 2449 §5, §6"""
    _no_argument(argument)
    names = [
        "TOP",
        "UIDL",
        "RESP-CODES",
        "AUTH-RESP-CODE",
        "PIPELINING",
        "EXPIRE NEVER",
        "UTF8 USER",
        "LANG",
        f"IMPLEMENTATION armgs_server-{__version__}",
    ]
    if session.maildrop is None:
        offered = login.mechanisms(session)
        if offered:
            names += ["USER", f"SASL {' '.join(offered)}"]
        if session.stream.can_start_tls:
            names.append("STLS")
    session.write(listing("capabilities", names))


async def handle_utf8(session: Session, argument: str) -> None:
    """RFC 6856 §2. Messages go out as they came whether it is given or not."""
    _no_argument(argument)
    session.write(ok("UTF8 enabled"))


async def handle_lang(session: Session, argument: str) -> None:
    """RFC 6856 §3.2"""
    wanted = argument.strip().lower()
    if not wanted:
        session.write(listing("languages", ("en English", "i-default English")))
    elif wanted in (*LANGUAGES, "*") or wanted.startswith("en-"):
        session.write(ok("en texts are in English"))
    else:
        raise Pop3Error("that language is not spoken here")


async def handle_stat(session: Session, argument: str) -> None:
    """RFC 1939 §5"""
    _no_argument(argument)
    maildrop = session.open_maildrop()
    numbers = list(maildrop.present())
    session.write(ok(f"{len(numbers)} {sum(map(maildrop.size, numbers))}"))


async def handle_list(session: Session, argument: str) -> None:
    """RFC 1939 §5"""
    maildrop = session.open_maildrop()
    if argument.strip():
        number = _message(maildrop, argument)
        session.write(ok(f"{number} {maildrop.size(number)}"))
    else:
        lines = (f"{number} {maildrop.size(number)}" for number in maildrop.present())
        session.write(listing("scan listing", lines))


async def handle_uidl(session: Session, argument: str) -> None:
    """RFC 1939 §7"""
    maildrop = session.open_maildrop()
    if argument.strip():
        number = _message(maildrop, argument)
        session.write(ok(f"{number} {maildrop.unique_id(number)}"))
    else:
        lines = (f"{number} {maildrop.unique_id(number)}" for number in maildrop.present())
        session.write(listing("unique-id listing", lines))


async def handle_retr(session: Session, argument: str) -> None:
    """RFC 1939 §5"""
    maildrop = session.open_maildrop()
    await _send(session, maildrop, _message(maildrop, argument), None)


async def handle_top(session: Session, argument: str) -> None:
    """RFC 1939 §7"""
    maildrop = session.open_maildrop()
    message, _, lines = argument.strip().partition(" ")
    await _send(session, maildrop, _message(maildrop, message), _number(lines))


async def _send(session: Session, maildrop: Maildrop, number: int, lines: int | None) -> None:
    """The octets of a message as they came, in pieces; of the body `lines` lines, or all."""
    digest, header_size = await maildrop.locate(number)
    head = None if lines is None else Head(header_size, lines)
    stuffing = DotStuffing()
    is_begun = False
    async for chunk in session.core.store.blobs.stream(digest):
        if not is_begun:  # only now it is sure that there is something to be read
            session.write(ok(f"{maildrop.size(number)} octets"))
            is_begun = True
        session.write(stuffing.stuff(chunk if head is None else head.cut(chunk)))
        await session.stream.drain()
        if head is not None and head.is_complete:
            break
    if not is_begun:
        session.write(ok("0 octets"))
    session.write(stuffing.end())


async def handle_dele(session: Session, argument: str) -> None:
    """RFC 1939 §5: the message goes at the end of the session."""
    maildrop = session.open_maildrop()
    number = _message(maildrop, argument)
    maildrop.deleted.add(number)
    session.write(ok(f"message {number} deleted"))


async def handle_rset(session: Session, argument: str) -> None:
    """RFC 1939 §5"""
    _no_argument(argument)
    maildrop = session.open_maildrop()
    maildrop.deleted.clear()
    session.write(ok(f"maildrop has {len(maildrop)} messages"))


async def handle_noop(session: Session, argument: str) -> None:
    """RFC 1939 §5"""
    _no_argument(argument)
    session.write(ok("nothing done"))


async def handle_quit(session: Session, argument: str) -> None:
    """RFC 1939 §6: the UPDATE state; after it the connection ends, whatever came of it."""
    _no_argument(argument)
    session.is_ended = True
    if session.maildrop is not None:
        try:
            await session.maildrop.update(undelete=session.core.config.imap.undelete_days > 0)
        except Conflict as error:
            raise Pop3Error("some deleted messages are not removed", SYS_TEMP) from error
    session.write(ok("goodbye"))


def _no_argument(argument: str) -> None:
    if argument.strip():
        raise Pop3Error("no argument is expected")


def _number(text: str) -> int:
    text = text.strip()
    if not text.isdecimal() or not text.isascii() or len(text) > 10:
        raise Pop3Error("a number is expected")
    return int(text)


def _message(maildrop: Maildrop, argument: str) -> int:
    """A message-number (RFC 1939 §5): of a message that is there and not marked as deleted."""
    number = _number(argument)
    if not 1 <= number <= len(maildrop) or number in maildrop.deleted:
        raise Pop3Error("no such message")
    return number


COMMANDS: Mapping[str, Spec] = {
    "CAPA": Spec(handle_capa, before_login=True),
    "STLS": Spec(login.handle_stls, before_login=True, after_login=False),
    "USER": Spec(login.handle_user, before_login=True, after_login=False),
    "PASS": Spec(login.handle_pass, before_login=True, after_login=False),
    "AUTH": Spec(login.handle_auth, before_login=True, after_login=False),
    "UTF8": Spec(handle_utf8, before_login=True, after_login=False),
    "LANG": Spec(handle_lang, before_login=True),
    "STAT": Spec(handle_stat),
    "LIST": Spec(handle_list),
    "UIDL": Spec(handle_uidl),
    "RETR": Spec(handle_retr),
    "TOP": Spec(handle_top),
    "DELE": Spec(handle_dele),
    "RSET": Spec(handle_rset),
    "NOOP": Spec(handle_noop),
    "QUIT": Spec(handle_quit, before_login=True),
}
