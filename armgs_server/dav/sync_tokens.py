# SPDX-License-Identifier: Apache-2.0
"""Tokens of RFC 6578 §4: URIs that name a collection and how far a client knows it. Pure.

`data:,ID-VALIDITY-MODSEQ` for one collection; with `+ID.MODSEQ` for each collection below it where the
whole tree was synchronised. Collection ids and modseqs are never used again, so a token of something
deleted or restored is recognised and refused.
"""

import re
from collections.abc import Mapping

from armgs_server.dav.errors import DavError
from armgs_server.dav.names import dav
from armgs_server.storage.collections import Collection

_TOKEN = re.compile(r"data:,(\d{1,18})-(\d{1,18})-(\d{1,18})((?:\+\d{1,18}\.\d{1,18})*)\Z")


def sync_token(collection: Collection, modseq: int, below: Mapping[int, int] | None = None) -> str:
    """The token of a collection at a modseq, and of those below it."""
    tree = "".join(f"+{number}.{each}" for number, each in (below or {}).items())
    return f"data:,{collection.id}-{collection.uid_validity}-{modseq}{tree}"


def parse_token(token: str, collection: Collection) -> tuple[int, dict[int, int]]:
    """The modseq of a token, 0 for the first synchronisation, and those of the collections below.

    403 for one we cannot go on from.
    """
    if not token:
        return 0, {}
    match = _TOKEN.match(token)
    if match is None or (int(match[1]), int(match[2])) != (collection.id, collection.uid_validity):
        raise DavError(403, condition=dav("valid-sync-token"))
    modseq = int(match[3])
    if not 0 < modseq <= collection.modseq:
        raise DavError(403, condition=dav("valid-sync-token"))
    pairs = (pair.split(".") for pair in match[4].split("+")[1:])
    return modseq, {int(number): int(each) for number, each in pairs}
