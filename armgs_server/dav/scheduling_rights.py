# SPDX-License-Identifier: Apache-2.0
"""Who may have messages put into an inbox, and ask when its owner is free (RFC 6638 §6.1).

Everybody of this server may, unless an ACL request on the inbox says otherwise: from then on those whom it
names. What everybody may is kept with the inbox, not as a grant, for else each account of the server would
be shared with everyone.
"""

from collections.abc import Collection as Numbers

from armgs_server.directory.access import DELIVER, EVERYBODY, EVERYTHING, Rights, put_grant
from armgs_server.storage import collections
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

KEY = "deliver"  # in the data of an inbox: what everybody may


def everybodys(inbox: Collection) -> Rights:
    """What everybody of this server may."""
    return Rights(int(inbox.data.get(KEY, DELIVER)))


async def put_everybodys(tx: Tx, inbox: Collection, granted: Rights) -> None:
    """What an ACL request grants to all who log in."""
    await collections.update(tx, inbox, data={**inbox.data, KEY: int(granted & DELIVER)})
    await put_grant(tx, inbox, EVERYBODY, granted & ~DELIVER)


async def may(tx: Tx, inbox: Collection, grantees: Numbers[int], right: Rights) -> bool:
    """Whether somebody, known by all numbers that a grant may be to, has the right on an inbox."""
    if right in everybodys(inbox):
        return True
    rows = await tx.rows(
        "SELECT grantee, rights FROM grant_ WHERE owner = ? AND collection IN (0, ?)", inbox.owner, inbox.id
    )
    granted = [Rights(rights) for grantee, rights in rows if grantee in grantees]
    return any(right in each or EVERYTHING in each for each in granted)
