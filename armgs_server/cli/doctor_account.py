# SPDX-License-Identifier: Apache-2.0
"""The account with which `armgs doctor` tries everything: made for the run, gone after it.

It lives in a department of its own whose domain can exist in no DNS (RFC 6761 §6.4), so it is in nobody's
address book or roster, and no mail or chat reaches it from elsewhere. Name and password are random, and
whoever has them can log in from this host's own addresses only (`hosts`, directory.auth).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from armgs_server.cli.workplace import Workplace
from armgs_server.directory import Principal
from armgs_server.directory.model import HOSTS
from armgs_server.errors import AlreadyExists
from armgs_server.storage import clock

DOMAIN = "armgs-doctor.invalid"
DEPARTMENT = "armgs doctor"
QUOTA = 16 << 20  # bytes
STALE = clock.HOUR  # a run that was killed leaves its account for the next one to remove
HEARD_WITHIN = 2.5  # seconds in which a daemon hears of a new domain: it looks every second


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in, and the room that is booked."""

    address: str
    password: str
    room: str


@asynccontextmanager
async def account(workplace: Workplace, hosts: list[str]) -> AsyncIterator[Account]:
    """An account that can log in from these addresses, until the end of the block."""
    department = await _department(workplace)
    await _remove(workplace, department, older_than=clock.now() - STALE)
    name = secrets.token_hex(8)
    made = Account(f"{name}@{DOMAIN}", secrets.token_urlsafe(24), f"room-{name}@{DOMAIN}")
    data = {HOSTS: hosts, "made": clock.now()}
    directory = workplace.directory
    principals: list[Principal] = []
    try:
        principals.append(
            await directory.create_person(made.address, DEPARTMENT, password=made.password, data=data)
        )
        principals.append(await directory.create_room(made.room, DEPARTMENT, 1))
        yield made
    finally:
        for principal in principals:
            await directory.delete(principal.id)


async def _department(workplace: Workplace) -> Principal:
    """The doctor's department; made where this is the first run, and known to the daemon on return."""
    found = await workplace.directory.by_address(DOMAIN)
    if found is not None:
        return found
    try:
        made = await workplace.directory.create_department(DEPARTMENT, [DOMAIN])
    except AlreadyExists:  # another host's doctor was faster
        return await workplace.principal(DOMAIN, "department")
    await asyncio.sleep(HEARD_WITHIN)
    return made


async def _remove(workplace: Workplace, department: Principal, older_than: int) -> None:
    directory = workplace.directory
    for person in await directory.people(department.id):
        if person.data.get("made", 0) < older_than:
            room = await directory.by_address(f"room-{person.address}")
            await directory.delete(person.id)
            if room is not None:
                await directory.delete(room.id)
