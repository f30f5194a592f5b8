# SPDX-License-Identifier: Apache-2.0
"""Tokens with which programs administer: made, shown once, checked (RFC 6750).

Invariants:
- A token can never do more than who has made it can do now. One that a command has made stands by itself.
- 256 random bits, of which the store has a keyed hash. The id in front of them is no secret.
- Wrong ones count for the throttle of log-ins; who shows one learns nothing of others.
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import TYPE_CHECKING, Final

from armgs_server import log
from armgs_server.directory.model import Principal
from armgs_server.errors import Denied
from armgs_server.storage import api_tokens as rows
from armgs_server.storage import clock
from armgs_server.storage.api_tokens import ApiToken

if TYPE_CHECKING:
    from armgs_server.directory.directory import Directory

PREFIX: Final = "armgs"  # by which programs that look for secrets in texts know one
ID_SIZE: Final = 8  # bytes
SECRET_SIZE: Final = 32
LAST_USED_STEP: Final = clock.MINUTE  # how exactly the last use is kept
_TEXT: Final = re.compile(rf"{PREFIX}_([0-9a-f]{{{2 * ID_SIZE}}})_[A-Za-z0-9_-]{{20,100}}")

_log = log.get("login")


class InvalidToken(Denied):
    """the token is not good here, or not any more"""


class ApiTokens:
    """Keeps nothing itself: there may be several."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._store = directory.store

    def new(self) -> tuple[str, str, bytes]:
        """A new token's id, its text, and the hash to keep."""
        id_ = secrets.token_hex(ID_SIZE)
        text = f"{PREFIX}_{id_}_{secrets.token_urlsafe(SECRET_SIZE)}"
        return id_, text, self._hash(text)

    async def check(self, text: str, peer: str, is_tls: bool) -> tuple[ApiToken, Principal | None]:
        """The token that the text is, and who has made it; None: a command. InvalidToken, Throttled."""
        auth = self._directory.auth
        if not auth.is_permitted(is_tls):
            raise InvalidToken()
        match = _TEXT.fullmatch(text)
        claimed = f"token {match[1]}" if match is not None else "token"
        auth.check_throttle("api", peer, None, claimed)
        found = None
        if match is not None:
            id_ = match[1]
            found = await self._store.read(lambda tx: rows.get(tx, id_))
        now = clock.now()
        is_right = hmac.compare_digest(self._hash(text), bytes(32) if found is None else found.hash)
        if found is None or not is_right:
            auth.refuse("api", "token", peer, None, claimed)
            raise InvalidToken()
        if found.expires <= now:
            raise InvalidToken("the token has expired")
        maker = await self._maker(found)
        if now - found.last_used > LAST_USED_STEP or found.last_peer != peer:
            await self._store.write(lambda tx: rows.use(tx, found.id, now, peer))
            _log.info("token used", name=found.name, id=found.id, peer=peer)
        return found, maker

    async def _maker(self, token: ApiToken) -> Principal | None:
        if not token.maker:
            return None
        person = await self._directory.by_id(token.maker)
        if person is None or person.kind != "person" or person.disabled:
            raise InvalidToken()
        return person

    def _hash(self, text: str) -> bytes:
        return self._directory.auth.passwords.keyed(b"api token", text.encode("utf-8", "replace"))
