# SPDX-License-Identifier: Apache-2.0
"""Names for files that come without having been asked: whatever is in their folder stays."""

from __future__ import annotations

from armgs_server.storage import collections, items
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

MAX_NAME = 255  # octets, as everywhere in DAV
_ENDING = 40  # characters; a longer one is none that a program goes by


async def find(tx: Tx, folder: Collection, name: str) -> str:
    """The name, or with a number before its ending where it is too long, a file's or a folder's."""
    stem, dot, ending = name.rpartition(".") if "." in name[1:] else (name, "", "")
    number, wanted = 1, name
    while len(wanted.encode()) > MAX_NAME or await _is_taken(tx, folder, wanted):
        number += 1
        tail = f" ({number}){dot}{ending[:_ENDING]}"
        wanted = stem.encode()[: MAX_NAME - len(tail.encode())].decode(errors="ignore") + tail
    return wanted


async def _is_taken(tx: Tx, folder: Collection, name: str) -> bool:
    if await items.by_name(tx, folder.owner, folder.id, name) is not None:
        return True
    return await collections.find(tx, folder.owner, folder.kind, name, folder.id) is not None
