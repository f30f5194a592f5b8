# SPDX-License-Identifier: Apache-2.0
"""Taking turns at a document: who wanted to open it while a colleague has it locked is told in chat who that
is, and once more when it is free; the colleague is told who waits. Once for each person and turn, however
often a program asks again.
"""

from __future__ import annotations

from typing import Final

from armgs_server.dav.call import Call
from armgs_server.dav.resources import MemberResource
from armgs_server.directory.languages import is_russian
from armgs_server.directory.model import Principal
from armgs_server.storage import clock, lock_waits, locks, notices
from armgs_server.storage.lock_waits import Wait
from armgs_server.storage.tx import Tx

_TEXTS: Final = {
    "ru": {
        "title": "Файл {name}",
        "held": "Файл «{name}» занят: {who}. Когда освободится, сообщим.",
        "free": "Файл «{name}» свободен.",
        "waits": "Файл «{name}» ждёт {who}.",
    },
    "en": {
        "title": "File {name}",
        "held": "The file “{name}” is in use by {who}. You will be told when it is free.",
        "free": "The file “{name}” is free.",
        "waits": "{who} waits for the file “{name}”.",
    },
}


async def refused(call: Call, resource: MemberResource) -> None:
    """After a LOCK of an item that others have locked."""
    item, person, directory = resource.item, call.person, call.engine.directory
    if not call.engine.config.dav.lock_notices or not person.address:
        return
    held = await call.engine.store.read(lambda tx: locks.in_collections(tx, item.owner, [item.collection]))
    numbers = dict.fromkeys(lock.principal for lock in held if lock.uid == item.uid)
    holders = [each for number in numbers if (each := await directory.by_id(number)) is not None]
    others = [each for each in holders if each.id != person.id]
    if not others:
        return
    name = item.name or ""
    title, free = _said(person, "title", name), _said(person, "free", name)
    wait = Wait(item.owner, item.collection, item.uid, person.id, person.address, title, free)

    async def work(tx: Tx) -> None:
        if not await lock_waits.add(tx, wait):
            return
        now = clock.now()
        told = _said(person, "held", name, ", ".join(each.name for each in others))
        await notices.add(tx, person.id, person.address, title, told, now)
        for each in others:
            text = _said(each, "waits", name, person.name)
            await notices.add(tx, each.id, each.address, _said(each, "title", name), text, now)

    await call.engine.store.write(work)


def _said(person: Principal, key: str, name: str, who: str = "") -> str:
    return _TEXTS["ru" if is_russian(person) else "en"][key].format(name=name, who=who)
