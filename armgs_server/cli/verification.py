# SPDX-License-Identifier: Apache-2.0
"""Following the chains of journals: of a department's mail, and of administrative acts."""

from __future__ import annotations

from functools import partial

from armgs_server.cli.output import remark
from armgs_server.cli.workplace import Workplace
from armgs_server.storage import acts, journal

PAGE = 500


async def owners(workplace: Workplace, domain: str) -> list[int]:
    """Whose chains: the department's; without a domain all there are."""
    if domain:
        return [(await workplace.principal(domain, "department")).id]
    departments = {each.id for each in await workplace.directory.departments()}
    return sorted(departments | {acts.WHOLE} | set(await workplace.store.read(acts.owners)))


async def verify(workplace: Workplace, owner: int) -> bool:
    """Tells about both chains of an owner; whether one is broken."""
    department = await workplace.directory.by_id(owner) if owner else None
    name = department.address if department is not None else f"department {owner}" if owner else "the server"
    is_mail_broken = await _mail(workplace, owner, name) if owner else False
    return await _acts(workplace, owner, name) or is_mail_broken


async def _mail(workplace: Workplace, owner: int, name: str) -> bool:
    previous, last = journal.NO_HASH, 0
    while page := await workplace.store.read(partial(journal.page, owner=owner, after=last, limit=PAGE)):
        broken = journal.first_broken(page, previous, last + 1)
        if broken is not None:
            remark(f"the journal of {name} is broken at message {broken.id}")
            return True
        previous, last = page[-1].hash, page[-1].id
    remark(f"the journal of {name} is whole: {last} messages")
    return False


async def _acts(workplace: Workplace, owner: int, name: str) -> bool:
    previous, last = acts.NO_HASH, 0
    while page := await workplace.store.read(partial(acts.page, owner=owner, after=last, limit=PAGE)):
        broken = acts.first_broken(page, previous, last + 1)
        if broken is not None:
            remark(f"the acts of {name} are broken at act {broken.id}")
            return True
        previous, last = page[-1].hash, page[-1].id
    expected = await workplace.store.read(lambda tx: acts.count(tx, owner))
    if expected != last:
        remark(f"the acts of {name} are broken: {expected} were written, {last} are there")
        return True
    remark(f"the acts of {name} are whole: {last}")
    return False
