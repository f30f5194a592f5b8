# SPDX-License-Identifier: Apache-2.0
"""Passwords: argon2id and SCRAM keys for what people think up, a keyed BLAKE2 for what we think up.

Slow hashes run in a few threads of their own, and only so many may wait for them. An app password is 128
random bits: nobody can guess it from its hash, so checking one costs microseconds. The key of that hash
lies in the store's `meta`, so the hashes alone, without it, cannot even be tried.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from passlib.hash import argon2

from armgs_server.config import SecuritySettings
from armgs_server.directory.people import Credential
from armgs_server.directory.scram import SALT_SIZE, Hash, Keys, make_keys, parse_keys, prepare
from armgs_server.errors import Invalid, Temporary
from armgs_server.storage.tx import Tx

T = TypeVar("T")

ARGON2: Final = "argon2"
SCRAM_SHA_1: Final = "scram-sha-1"
SCRAM_SHA_256: Final = "scram-sha-256"
APP: Final = "app"
# Of a password that came as SCRAM keys (XEP-0227 §4.2) there is no better hash until it is used first: then
# the hash is one of these names, `$`, and the keys.
_SCRAM: Final = "scram-"
_HASHES: Final[dict[str, Hash]] = {SCRAM_SHA_1: "sha1", SCRAM_SHA_256: "sha256"}

APP_PASSWORD_SIZE: Final = 16  # bytes
SECRET_SIZE: Final = 32
PASSWORD_LIMIT: Final = 1024  # characters; a longer one is wrong without hashing
NAME_LIMIT: Final = 200

# base32 of 16 bytes, written in groups of four
_APP_PASSWORD = re.compile(r"[a-z2-7]{26}")


async def load_secret(tx: Tx, name: str) -> bytes:
    """A secret of this store, made when first asked for."""
    await tx.execute(
        "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
        name,
        secrets.token_hex(SECRET_SIZE),
    )
    return bytes.fromhex(await tx.value("SELECT value FROM meta WHERE name = ?", name))


class Passwords:
    """Makes and checks hashes. close() ends the threads."""

    def __init__(self, settings: SecuritySettings) -> None:
        self._settings = settings
        self._secret = b""
        self._threads = ThreadPoolExecutor(settings.hashes_at_once, thread_name_prefix="passwords")
        self._turn = asyncio.Semaphore(settings.hashes_at_once)
        self._waiting = 0
        self._argon2 = argon2.using(
            type="ID",
            rounds=settings.argon2_passes,
            memory_cost=settings.argon2_memory // 1024,
            parallelism=1,
        )
        self._nobody = ""  # the hash an unknown account is checked against

    def open(self, secret: bytes) -> None:
        """Takes the store's secret; before it nothing can be checked."""
        self._secret = secret

    def close(self) -> None:
        """Ends the threads; a hash being made is finished first."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def credentials(self, password: str) -> list[Credential]:
        """All that is kept of a new password. Invalid where it may not be one."""
        if not 1 <= len(password) <= PASSWORD_LIMIT:
            raise Invalid(f"a password has 1 to {PASSWORD_LIMIT} characters")
        prepared = prepare(password)
        if not prepared:
            raise Invalid("nothing of the password is left after its preparation (RFC 4013)")
        return await self._run(lambda: self._make(prepared))

    async def renewed(self, password: str) -> list[Credential]:
        """All that is kept of a password that was right, made anew."""
        prepared = prepare(password)
        return await self._run(lambda: self._make(prepared))

    async def hashed(self, password: str) -> str:
        """A hash for `is_password`, of a password that is nobody's log-in. Invalid where it is none."""
        if not 1 <= len(password) <= PASSWORD_LIMIT or not prepare(password):
            raise Invalid(f"a password has 1 to {PASSWORD_LIMIT} characters")
        prepared = prepare(password)
        return await self._run(lambda: str(self._argon2.hash(prepared)))

    async def is_password(self, password: str, hashed: str | None, still: Callable[[], None]) -> bool:
        """Whether it is the one that was hashed; None takes as long and is never right.

        `still` is called when the turn has come, and raises where the check has lost its point.
        """
        try:
            prepared = prepare(password)
        except Invalid:
            return False
        if len(password) > PASSWORD_LIMIT:
            return False

        def check() -> bool:
            if hashed is None and not self._nobody:
                self._nobody = self._argon2.hash(secrets.token_hex(SECRET_SIZE))
            if hashed is not None and hashed.startswith(_SCRAM):
                return _has_keys(prepared, hashed)
            is_right: bool = self._argon2.verify(prepared, hashed or self._nobody)
            return is_right and hashed is not None

        return await self._run(check, still)

    def is_outdated(self, hashed: str) -> bool:
        """Whether the hash was made under other settings than today's."""
        outdated: bool = hashed.startswith(_SCRAM) or self._argon2.needs_update(hashed)
        return outdated

    def new_app_password(self, principal_id: int, name: str) -> tuple[str, Credential]:
        """A new app password, and what is kept of it."""
        if not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
            raise Invalid("a device's name has 1 to 200 printable characters")
        plain = base64.b32encode(secrets.token_bytes(APP_PASSWORD_SIZE)).decode().lower().rstrip("=")
        shown = "-".join(plain[start : start + 4] for start in range(0, len(plain), 4))
        return shown, Credential(APP, name, self._app_hash(principal_id, plain))

    def app_hash(self, principal_id: int, password: str) -> str | None:
        """The hash of what may be an app password, or None where it has not the form of one."""
        plain = password.replace("-", "").replace(" ", "").lower()
        return self._app_hash(principal_id, plain) if _APP_PASSWORD.fullmatch(plain) else None

    def keyed(self, purpose: bytes, data: bytes, size: int = 32) -> bytes:
        """A hash that only this store can make; `purpose` (at most 16 bytes) keeps uses apart."""
        return hashlib.blake2b(data, key=self._secret, digest_size=size, person=purpose).digest()

    def fake_keys(self, name: str, size: int) -> Keys:
        """RFC 5802 §9: keys for an account that does not exist; the same at each try, and never right."""

        def derive(what: bytes) -> bytes:
            return hmac.digest(self._secret, b"scram\0" + what + b"\0" + name.encode(), "sha256")

        nothing = secrets.token_bytes(size)
        return Keys(derive(b"%d" % size)[:SALT_SIZE], self._settings.scram_iterations, nothing, nothing)

    def _app_hash(self, principal_id: int, plain: str) -> str:
        data = b"%d\0%s" % (principal_id, plain.encode())
        return self.keyed(b"app password", data).hex()

    def _make(self, prepared: str) -> list[Credential]:
        iterations = self._settings.scram_iterations
        password = prepared.encode()
        sha_1 = make_keys("sha1", password, secrets.token_bytes(SALT_SIZE), iterations)
        sha_256 = make_keys("sha256", password, secrets.token_bytes(SALT_SIZE), iterations)
        return [
            Credential(ARGON2, "", self._argon2.hash(prepared)),
            Credential(SCRAM_SHA_1, "", sha_1.serialise()),
            Credential(SCRAM_SHA_256, "", sha_256.serialise()),
        ]

    async def _run(self, work: Callable[[], T], still: Callable[[], None] | None = None) -> T:
        if self._waiting >= self._settings.hashes_waiting:
            raise Temporary("too many people are logging in")
        self._waiting += 1
        try:
            async with self._turn:
                if still is not None:
                    still()
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _has_keys(prepared: str, hashed: str) -> bool:
    kind, _, text = hashed.partition("$")
    keys = parse_keys(text)
    made = make_keys(_HASHES[kind], prepared.encode(), keys.salt, keys.iterations)
    return hmac.compare_digest(made.stored_key, keys.stored_key)
