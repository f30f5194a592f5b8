# SPDX-License-Identifier: Apache-2.0
"""Where a collection of a backup goes: to where it was, or into a place of its own beside what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from armgs_server.cli.restore_plan import Wish
from armgs_server.directory.model import Principal
from armgs_server.errors import NotFound
from armgs_server.storage import accounts, collections, mailboxes
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

_TREES = ("mail", "files")  # others lie side by side


@dataclass(frozen=True, slots=True)
class Target:
    """A place that may not be there yet. A `role` finds it whatever it is called now."""

    kind: str
    path: tuple[str, ...]
    role: str = ""
    subscribed: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        return shown(self.path)

    async def find(self, tx: Tx, owner: int) -> Collection | None:
        """The collection, if it is there; a name without a mailbox is none."""
        if self.role:
            found = await collections.by_role(tx, owner, self.kind, self.role)
            if found is not None:
                return found
        found = await collections.by_path(tx, owner, self.kind, self.path)
        return None if found is None or mailboxes.is_empty_name(found) else found


def shown(path: Sequence[str]) -> str:
    """As people write it."""
    return "/".join(part for part in path if part) or "/"


def home_of(collection: Collection, path: Sequence[str]) -> Target:
    """Where a collection was."""
    data = {key: value for key, value in collection.data.items() if key != mailboxes.MARK}
    return Target(collection.kind, tuple(path), collection.role, collection.subscribed, data)


def target_of(wish: Wish, person: Principal, collection: Collection, path: Sequence[str]) -> Target:
    """Where it goes."""
    if wish.in_place:
        return home_of(collection, path)
    if collection.kind == "mail":
        return Target("mail", (wish.label(person), *path), subscribed=1)
    if collection.kind == "files":
        return Target("files", ("", wish.label(person), *path[1:]))
    data = {**collection.data, "displayname": wish.title(collection, person)}
    if collection.kind == "calendar":
        data["transp"] = "transparent"  # RFC 6638 §9.1: what is in it takes no time
    return Target(collection.kind, (f"{wish.stamp}-{path[-1]}",), data=data)


async def open_target(tx: Tx, owner: int, target: Target) -> Collection:
    """The collection, made with all above it where it is missing."""
    found = await target.find(tx, owner)
    if found is not None:
        return found
    await accounts.hold(tx, [owner])  # whoever makes the same one at the same time comes before or after
    above = 0
    for name in target.path[:-1]:
        here = await collections.find(tx, owner, target.kind, name, above)
        if here is None and target.kind == "files" and not name:
            raise NotFound("the account has no files")
        data = {mailboxes.MARK: True} if target.kind == "mail" else {}
        here = here or await collections.create(tx, owner, target.kind, name, parent=above, data=data)
        above = here.id
    here = await collections.find(tx, owner, target.kind, target.path[-1], above)
    if here is not None:  # a name without a mailbox
        return await mailboxes.revive(tx, here, target.role, target.subscribed)
    return await collections.create(
        tx,
        owner,
        target.kind,
        target.path[-1],
        parent=above,
        role=target.role,
        data=target.data,
        subscribed=target.subscribed,
    )
