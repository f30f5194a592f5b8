# SPDX-License-Identifier: Apache-2.0
"""Search and compare (RFC 4511 §4.5, §4.10) with simple paged results (RFC 2696).

Invariants:
- What the asker may not see takes part in nothing: it is not found, not counted and not compared.
- Others have their turn after each slice; the limits of size and time are the client's, or ours if lower.
- A cookie says how many entries were sent and behind which place to go on; it grants nothing by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from armgs_server.directory.candidates import candidates
from armgs_server.directory.index_contents import Listed
from armgs_server.errors import Invalid
from armgs_server.ldap import results
from armgs_server.ldap.ber import OCTET_STRING, SEQUENCE, Reader, element, integer, string
from armgs_server.ldap.entries import Departments, Entries, Entry, department_entry, folder_entry
from armgs_server.ldap.filters import EQUALITY, Assertion
from armgs_server.ldap.matching import Preparation, Ready
from armgs_server.ldap.messages import BASE, Compare, Control, Message, Search
from armgs_server.ldap.results import LdapError
from armgs_server.ldap.root import PAGED_RESULTS, root_dse, subschema
from armgs_server.ldap.schema import attribute
from armgs_server.ldap.selection import Selection, select
from armgs_server.ldap.tree import (
    AtDepartment,
    AtFolder,
    AtPrincipal,
    Reach,
    locate,
    parse_name,
    reach,
    visible,
)

if TYPE_CHECKING:
    from armgs_server.ldap.session import Session

_SUBSCHEMA_NAME: Final = parse_name("cn=subschema")
_LEAST_SLICE: Final = 10
_SLICE: Final = 100  # entries compared, or blocks of the index looked at, before others have their turn


@dataclass(frozen=True, slots=True)
class Page:
    """What the paged results control asks for; `sent`, `fixed` and `after` are where the last page ended."""

    size: int
    sent: int = 0
    fixed: int = 0
    after: int = -1
    is_first: bool = True


class Found:
    """What a search has found: sends entries until a limit is reached."""

    def __init__(self, session: Session, message: Message, request: Search, page: Page | None) -> None:
        settings = session.settings
        self._session = session
        self._message = message
        self._selection: Selection = select(request.attributes, types_only=request.types_only)
        ours = settings.results
        self._page_size = min(page.size, ours) if page is not None else 0
        self._size_limit = min(request.size_limit or ours, ours)
        if page is not None and self._page_size:
            # RFC 2696 §3: the client's limit is for all pages together, ours for each of them.
            self._size_limit = request.size_limit - page.sent if request.size_limit else ours
        self._deadline = asyncio.get_running_loop().time() + min(
            settings.search_time, request.time_limit or settings.search_time
        )
        self.count = 0
        self.fixed = page.fixed if page is not None else 0
        self.after = page.after if page is not None else -1

    @property
    def wanted(self) -> frozenset[str]:
        return self._selection.wanted

    @property
    def slice(self) -> int:
        """Entries to read at once: no more than there is room for, and one that says that there are more."""
        room = min(self._page_size or self._size_limit, self._size_limit) - self.count
        return max(_LEAST_SLICE, min(room + 1, _SLICE))

    def send(self, entry: Entry) -> bool:
        """Sends the entry; False where the page is full."""
        if self._page_size and self.count >= self._page_size:
            return False
        if self.count >= self._size_limit:
            raise LdapError(results.SIZE_LIMIT_EXCEEDED)
        self.count += 1
        self._session.write(results.entry(self._message.id, entry.dn, self._selection.of(entry)))
        return True

    async def breathe(self) -> None:
        """Lets others have their turn, and the client take what was sent."""
        await self._session.stream.drain()
        await asyncio.sleep(0)
        if asyncio.get_running_loop().time() > self._deadline:
            raise LdapError(results.TIME_LIMIT_EXCEEDED)


async def handle_search(session: Session, message: Message, request: Search) -> None:
    """Entries, then SearchResultDone; refusals as LdapError."""
    page = _parse_page(message.controls)
    if page is not None and not page.is_first and not page.size:  # RFC 2696 §3: the client has enough
        session.write(results.result(message.id, message.response, 0, controls=_control(b"")))
        return
    found = Found(session, message, request, page)
    cookie = b""
    apart = await _apart(session, request)
    if apart is not None:
        ready = await Preparation(session.directory, {}).prepare(request.filter)
        if ready.test(apart):
            found.send(apart)
    elif not await _search(session, request, found):
        sent = (page.sent if page is not None else 0) + found.count
        cookie = b"%d %d %d" % (sent, found.fixed, found.after)
    controls = b"" if page is None else _control(cookie)
    session.write(results.result(message.id, message.response, results.SUCCESS, controls=controls))


async def _apart(session: Session, request: Search) -> Entry | None:
    """The root DSE or the schema, where one of them is asked for: everybody may read them."""
    name = parse_name(request.base)
    if request.scope == BASE and not name:
        mechanisms = session.mechanisms()
        return await root_dse(session.directory, mechanisms, can_start_tls=session.stream.can_start_tls)
    return subschema() if request.scope == BASE and name == _SUBSCHEMA_NAME else None


async def _search(session: Session, request: Search, found: Found) -> bool:
    """Sends what is found; whether that is all."""
    departments = await departments_of(session)
    await session.index.refresh()
    place = await locate(session.directory, departments, parse_name(request.base))
    reached = reach(departments, place, request.scope)
    ready = await Preparation(session.directory, departments).prepare(request.filter)
    for entry in reached.fixed[found.fixed :]:
        if ready.test(entry) and not found.send(entry):
            return False
        found.fixed += 1
    entries = Entries(session.directory, session.index, departments)
    wanted = ready.wanted | found.wanted
    async for number, listed in _principals(session, reached, ready, found):
        entry = await entries.make(listed, wanted)
        if ready.test(entry) and not found.send(entry):
            return False
        found.after = number
    return True


async def _principals(
    session: Session, reached: Reach, ready: Ready, found: Found
) -> AsyncIterator[tuple[int, Listed]]:
    """Those reached that may fit, each with its place in the index."""
    index = session.index
    if reached.single:
        for listed in await index.read([reached.single]) if found.after < 0 else ():
            yield 0, listed
        return
    kinds = reached.kinds if ready.kinds is None else reached.kinds & ready.kinds
    if not kinds or not reached.departments:
        return
    waiting: dict[int, int] = {}  # id -> place
    for count, block in enumerate(candidates(index, ready.need, found.after), 1):
        for number, line in block:
            if line.kind in kinds and line.department in reached.departments:
                waiting[line.id] = number
        while len(waiting) >= found.slice:
            part = [*islice(waiting, found.slice)]
            for listed in await index.read(part):
                yield waiting[listed.principal.id], listed
            for each in part:
                del waiting[each]
            await found.breathe()
        if count % _SLICE == 0:
            await found.breathe()
    for listed in await index.read([*waiting]):
        yield waiting[listed.principal.id], listed


async def handle_compare(session: Session, message: Message, request: Compare) -> None:
    """RFC 4511 §4.10: true or false, of one attribute of one entry."""
    departments = await departments_of(session)
    kind = attribute(request.attribute)
    if kind is None:
        raise LdapError(results.UNDEFINED_ATTRIBUTE_TYPE)
    await session.index.refresh()
    entry = await _one(session, departments, request.entry, frozenset((kind.name,)))
    if kind.name not in entry.attributes:
        raise LdapError(results.NO_SUCH_ATTRIBUTE)
    wanted = Assertion(EQUALITY, request.attribute, request.value)
    ready = await Preparation(session.directory, departments).prepare(wanted)
    code = results.COMPARE_TRUE if ready.test(entry) else results.COMPARE_FALSE
    session.write(results.result(message.id, message.response, code))


async def _one(session: Session, departments: Departments, name: str, wanted: frozenset[str]) -> Entry:
    place = await locate(session.directory, departments, parse_name(name))
    match place:
        case AtDepartment(department):
            return department_entry(department)
        case AtFolder(department, folder):
            return folder_entry(department, folder)
        case AtPrincipal(principal):
            entries = Entries(session.directory, session.index, departments)
            for listed in await session.index.read([principal.id]):
                return await entries.make(listed, wanted)
    raise LdapError(results.NO_SUCH_OBJECT)


async def departments_of(session: Session) -> Departments:
    """Where the session may look; who may look nowhere has to log in first."""
    found = await visible(session.directory, session.principal, session.settings.anonymous)
    if not found:
        raise LdapError(results.INSUFFICIENT_ACCESS_RIGHTS, "log in first")
    return found


def _parse_page(controls: tuple[Control, ...]) -> Page | None:
    """RFC 2696 §2."""
    control = next((each for each in controls if each.type == PAGED_RESULTS), None)
    if control is None:
        return None
    try:
        reader = Reader(control.value or b"").enter(SEQUENCE)
        size, cookie = reader.integer(), reader.read(OCTET_STRING)
        if not cookie:
            return Page(size)
        numbers = cookie.split(b" ")
        if len(numbers) != 3 or len(cookie) > 60 or not all(each.isdigit() for each in numbers[:2]):
            raise Invalid("not a cookie of this server")
        sent, fixed, after = (int(each) for each in numbers)
    except (Invalid, ValueError):
        raise LdapError(results.PROTOCOL_ERROR, "not a paged results control of this server") from None
    return Page(size, sent, fixed, max(after, -1), is_first=False)


def _control(cookie: bytes) -> bytes:
    """No estimate (0): counting would cost what the page saves."""
    value = element(SEQUENCE, integer(0) + string(cookie))
    return results.control(PAGED_RESULTS, value)
