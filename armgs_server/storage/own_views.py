# SPDX-License-Identifier: Apache-2.0
"""What people call collections that others share with them, and of which colour: seen by nobody else.

Functions of one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

# What stands instead of a collection's own `data`, by its owner and number.
Views: TypeAlias = Mapping[tuple[int, int], Mapping[str, Any]]


async def of(tx: Tx, person: int) -> Views:
    """All of a person; there is one at most for each collection that is shared with it."""
    rows = await tx.rows("SELECT owner, collection, data FROM own_view WHERE person = ?", person)
    return {(owner, collection): json.loads(data) for owner, collection, data in rows}


async def put(tx: Tx, person: int, collection: Collection, data: Mapping[str, Any]) -> None:
    """What the person sees of a collection from now on; nothing of its own where the data are empty."""
    key = person, collection.owner, collection.id
    await tx.execute("DELETE FROM own_view WHERE person = ? AND owner = ? AND collection = ?", *key)
    if data:
        text = json.dumps(data, ensure_ascii=False)
        await tx.execute(
            "INSERT INTO own_view (person, owner, collection, data) VALUES (?, ?, ?, ?)", *key, text
        )
