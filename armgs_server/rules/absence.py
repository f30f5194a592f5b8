# SPDX-License-Identifier: Apache-2.0
"""Somebody's absence, as mail is answered in it: by the rules of RFC 3834 and RFC 5230."""

from __future__ import annotations

from armgs_server.config import SieveSettings
from armgs_server.directory import Directory
from armgs_server.directory.model import Principal
from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.rules.answering import is_answerable
from armgs_server.rules.sieve.actions import Envelope, Vacation
from armgs_server.rules.sieve.letter import Letter
from armgs_server.storage.absences import Absence

DAY = 86400


async def answer_of(
    absence: Absence,
    person: Principal,
    directory: Directory,
    letter: Letter,
    envelope: Envelope,
    own: tuple[str, ...],
    limits: SieveSettings,
) -> Vacation | None:
    """What this sender is told; None where there is nothing to tell, or nobody to be told."""
    if not is_answerable(letter, envelope, own):
        return None
    text = absence.inside if await is_colleague(directory, person, envelope.sender) else absence.outside
    if not text:
        return None
    deputy = await directory.by_id(absence.deputy) if absence.deputy else None
    if deputy is not None and not deputy.disabled:
        text = f"{text}\n\n{deputy.name} <{deputy.address}>"
    handle = f"absence {absence.starts}"
    return Vacation(text, "", "", handle, limits.vacation_days * DAY)


async def is_colleague(directory: Directory, person: Principal, sender: str) -> bool:
    """Whether the sender belongs to any department of this server."""
    try:
        address = addresses.normalise(sender)
    except Invalid:
        return False
    if not directory.is_local(address.rpartition("@")[2]):
        return False
    found = await directory.resolve(address)
    return found is not None and found.id != person.id
