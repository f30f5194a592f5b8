# SPDX-License-Identifier: Apache-2.0
"""Who writes in whose name: RFC 5322 §3.6.2.

`data["senders"]` of a principal lists people and groups who may send as it: From: is its address, and nothing
else is told. `data["delegates"]` lists those who may send on its behalf: From: is its address, Sender: their
own. A right that is held through a group ends with the membership.
"""

from __future__ import annotations

from typing import Final, Literal

from armgs_server.directory import lookup
from armgs_server.directory.model import Principal
from armgs_server.directory.people import Change, update
from armgs_server.errors import Invalid
from armgs_server.storage.tx import Tx

Manner = Literal["as", "on-behalf", "none"]
KEYS: Final = {"as": "senders", "on-behalf": "delegates"}
KINDS: Final = ("person", "group", "room", "equipment")


async def delegate(tx: Tx, owner: Principal, delegate: Principal, manner: Manner) -> Principal:
    """How one may send for another from now on."""
    before = await lookup.existing(tx, owner.id)
    if before.kind not in KINDS or delegate.kind not in ("person", "group", "unit"):
        raise Invalid(f"{delegate.address} cannot write for {before.address}")
    data: dict[str, list[int] | None] = {}
    for name, key in KEYS.items():
        others = [each for each in before.data.get(key, ()) if each != delegate.id]
        chosen = [*others, delegate.id] if name == manner else others
        data[key] = sorted(chosen) or None
    return await update(tx, owner.id, Change(data=data))
