# SPDX-License-Identifier: Apache-2.0
"""Links to files for people without an account: made by the file's owner, with an end and perhaps a password.

A token is 192 random bits: who has the link may read. Wrong passwords are counted by the throttle of log-ins,
for each link by itself. Who is disabled has no links.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from armgs_server.config import Config
from armgs_server.errors import Denied, Invalid
from armgs_server.storage import clock, collections, items, sharelinks
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.sharelinks import Link
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.directory.directory import Directory

PREFIX: Final = "/link/"
TOKEN_SIZE: Final = 24
HTTPS_PORT: Final = 443


def url(config: Config, token: str) -> str:
    """The address to give away."""
    port = config.port(HTTPS_PORT)
    authority = config.server.hostname + ("" if port == HTTPS_PORT else f":{port}")
    return f"https://{authority}{PREFIX}{token}"


def new_token() -> str:
    """Unguessable, and fit for a URL."""
    return secrets.token_urlsafe(TOKEN_SIZE)


async def password_hash(directory: Directory, password: str) -> str:
    """What is kept of a link's password. Invalid where one is asked for and none is given."""
    if password:
        return await directory.auth.passwords.hashed(password)
    if directory.config.http.link_password:
        raise Invalid("a link needs a password")
    return ""


def made(config: Config, item: Item, creator: int, token: str, hashed: str, days: int) -> Link:
    """The row of a new link. Denied where links are switched off; no link lives longer than the setting."""
    if not config.http.link_days:
        raise Denied("links are switched off")
    now = clock.now()
    expires = now + min(days or config.http.link_days, config.http.link_days) * clock.DAY
    key = (item.owner, item.collection, item.uid)
    return Link(sharelinks.hash_of(token), *key, creator, hashed, now, expires, 0, 0)


async def file_at(tx: Tx, owner: int, path: Sequence[str]) -> Item | None:
    """The file of that path among an owner's files."""
    root = await collections.by_role(tx, owner, "files", "root")
    if root is None or not path:
        return None
    folder: Collection | None = root
    if len(path) > 1:
        folder = await collections.by_path(tx, owner, "files", path[:-1], root.id)
    return None if folder is None else await items.by_name(tx, owner, folder.id, path[-1])


async def find(directory: Directory, token: str) -> tuple[Link, Item] | None:
    """The link of a token and the file behind it; None where one of them is not good any more."""
    if not token or not directory.config.http.link_days:
        return None

    async def work(tx: Tx) -> tuple[Link, Item] | None:
        link = await sharelinks.find(tx, token)
        item = None if link is None else await items.get(tx, link.owner, link.collection, link.uid)
        return (link, item) if link is not None and item is not None else None

    found = await directory.store.read(work)
    if found is None:
        return None
    owner = await directory.by_id(found[0].owner)
    return None if owner is None or owner.disabled else found


async def check_password(directory: Directory, link: Link, password: str, peer: str) -> bool:
    """Whether it opens the link. Throttled after too many that did not."""
    if not link.password:
        return True
    attempts, account = directory.auth.attempts, f"link:{link.id}"
    attempts.check(account, peer)
    is_right = await directory.auth.passwords.is_password(
        password, link.password, lambda: attempts.check(account, peer)
    )
    (attempts.succeeded if is_right else attempts.failed)(account, peer)
    return is_right
