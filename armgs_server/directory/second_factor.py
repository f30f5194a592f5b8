# SPDX-License-Identifier: Apache-2.0
"""The second factor of whoever has one: an app's codes (RFC 6238), keys (webauthn.py), and recovery codes for
when they are lost.

What must hold:
- A code is good once; guesses are counted by the throttle of log-ins, for each person by themselves.
- Turning it on ends everything that began with the password alone: sessions of programs, tokens, other
  sign-ins. From then on programs need app passwords or tokens (`[oauth] app_passwords_only`).
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Final

from armgs_server import log
from armgs_server.directory import totp
from armgs_server.directory.model import TOPIC_KICK, Principal
from armgs_server.errors import Conflict
from armgs_server.storage import clock, web_sessions, webauthn
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.directory.directory import Directory

RECOVERY_SIZE: Final = 10  # bytes: 16 letters and digits
_CODE_LIMIT: Final = 64

_log = log.get("login")


class SecondFactor:
    """Keeps nothing itself: there may be several."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._store = directory.store

    async def is_on(self, person: Principal) -> bool:
        """Whether a code or a key is asked for at the sign-in."""
        return await self._store.read(lambda tx: is_on(tx, person.id))

    async def has_app(self, person: Principal) -> bool:
        """Whether there is an app that makes codes."""
        return await self._store.read(lambda tx: _confirmed(tx, person.id)) is not None

    async def left(self, person: Principal) -> int:
        """How many recovery codes there are yet."""
        sql = "SELECT COUNT(*) FROM second_factor WHERE principal = ? AND kind = 'recovery'"
        return int(await self._store.read(lambda tx: tx.value(sql, person.id)))

    async def begin(self, person: Principal) -> bytes:
        """A new key, which counts once a code of it was shown. Conflict where one is in use."""
        key = secrets.token_bytes(totp.KEY_SIZE)

        async def work(tx: Tx) -> None:
            if await _confirmed(tx, person.id) is not None:
                raise Conflict("there is a second factor already")
            # Recovery codes stay: whoever has a key has them, too.
            await tx.execute("DELETE FROM second_factor WHERE principal = ? AND kind = 'totp'", person.id)
            await _put(tx, person.id, "totp", "", key, 0)

        await self._store.write(work)
        return key

    async def pending(self, person: Principal) -> bytes | None:
        """The key of begin() that waits for its first code."""
        sql = "SELECT value FROM second_factor WHERE principal = ? AND kind = 'totp' AND confirmed = 0"
        value = await self._store.read(lambda tx: tx.value(sql, person.id))
        return None if value is None else bytes(value)

    async def confirm(self, person: Principal, code: str, peer: str, here: bytes) -> list[str] | None:
        """Turns it on; the recovery codes, or None for a wrong code. Throttled.

        `here` is the hash of the browser session that stays signed in.
        """
        key = await self.pending(person)
        if key is None:
            return None
        step = totp.step_of(key, _plain(code), clock.now() // clock.SECOND, 0)
        if not self._count(person, peer, is_right=step is not None) or step is None:
            return None
        codes, hashes = self.recovery(person)

        async def work(tx: Tx) -> bool:
            if not await tx.execute(
                "UPDATE second_factor SET confirmed = ?, last_step = ?"
                " WHERE principal = ? AND kind = 'totp' AND confirmed = 0 AND value = ?",
                clock.now(),
                step,
                person.id,
                key,
            ):
                return False
            await turned_on(tx, person.id, hashes, here)
            return True

        if not await self._store.write(work):
            return None
        _log.info("second factor on", account=person.address, peer=peer)
        return codes

    async def check(self, person: Principal, code: str, peer: str) -> bool:
        """Whether a code is right; it is used up then. Throttled."""
        self._directory.auth.attempts.check(account_of(person), peer)
        plain = _plain(code)
        hashed, now = self._hash(person, plain), clock.now() // clock.SECOND

        async def work(tx: Tx) -> bool:
            found = await _confirmed(tx, person.id)
            key, last = found or (b"", 0)
            step = None if found is None else totp.step_of(key, plain, now, last)
            if step is None:
                return await tx.execute(_USE_RECOVERY, person.id, hashed) > 0
            return await tx.execute(_USE_STEP, step, person.id, key, step) > 0

        is_right = await self._store.write(work)
        return self._count(person, peer, is_right=is_right)

    async def renew(self, person: Principal) -> list[str]:
        """Other recovery codes; those before are void."""
        codes, hashes = self.recovery(person)
        await self._store.write(lambda tx: _put_recovery(tx, person.id, hashes))
        return codes

    async def remove_app(self, person: Principal) -> None:
        """The app's codes are none any more; without a key the password alone is enough again."""

        async def work(tx: Tx) -> bool:
            await tx.execute("DELETE FROM second_factor WHERE principal = ? AND kind = 'totp'", person.id)
            return await end_if_last(tx, person.id)

        is_off = await self._store.write(work)
        _log.info("codes of an app off", account=person.address, factor=int(not is_off))

    async def remove(self, person: Principal) -> None:
        """App, keys and recovery codes: the password alone is enough again."""
        await self._store.write(lambda tx: remove_all(tx, person.id))
        _log.info("second factor off", account=person.address)

    def recovery(self, person: Principal) -> tuple[list[str], list[bytes]]:
        """New recovery codes, and the hashes that are kept of them."""
        codes = []
        for _ in range(self._directory.config.oauth.recovery_codes):
            plain = base64.b32encode(secrets.token_bytes(RECOVERY_SIZE)).decode().lower()
            codes.append("-".join(plain[start : start + 4] for start in range(0, len(plain), 4)))
        return codes, [self._hash(person, _plain(code)) for code in codes]

    def _count(self, person: Principal, peer: str, *, is_right: bool) -> bool:
        attempts, account = self._directory.auth.attempts, account_of(person)
        attempts.check(account, peer)
        (attempts.succeeded if is_right else attempts.failed)(account, peer)
        if not is_right:
            _log.warning("wrong second factor", account=person.address, peer=peer)
        return is_right

    def _hash(self, person: Principal, plain: str) -> bytes:
        data = b"%d\0%s" % (person.id, plain.encode("utf-8", "replace"))
        return self._directory.auth.passwords.keyed(b"recovery", data)


async def is_on(tx: Tx, person: int) -> bool:
    """Whether more than the password is asked for."""
    return await _confirmed(tx, person) is not None or await webauthn.has_any(tx, person)


async def turned_on(tx: Tx, person: int, recovery: list[bytes], here: bytes) -> None:
    """What began by the password alone ends, but the browser session with the hash `here`."""
    await _put_recovery(tx, person, recovery)
    await tx.execute("DELETE FROM token WHERE principal = ?", person)
    await web_sessions.remove_all(tx, person, besides=here)
    tx.publish(TOPIC_KICK, b"%d" % person)


async def end_if_last(tx: Tx, person: int) -> bool:
    """After one was taken away: where none is left, recovery codes go, too; whether it is off now."""
    if await is_on(tx, person):
        return False
    await remove_all(tx, person)
    return True


async def remove_all(tx: Tx, person: int) -> bool:
    """App, keys and recovery codes; whether there was anything. The password is enough again, also for
    programs, which were refused with it a moment ago."""
    was_on = await is_on(tx, person)
    await tx.execute("DELETE FROM second_factor WHERE principal = ?", person)
    await webauthn.remove_all(tx, person)
    tx.publish(TOPIC_KICK, b"%d" % person)
    return was_on


# Another one may have shown the same code since last_step was read.
_USE_STEP: Final = (
    "UPDATE second_factor SET last_step = ?"
    " WHERE principal = ? AND kind = 'totp' AND value = ? AND last_step < ?"
)
_USE_RECOVERY: Final = "DELETE FROM second_factor WHERE principal = ? AND kind = 'recovery' AND value = ?"


async def _confirmed(tx: Tx, person: int) -> tuple[bytes, int] | None:
    row = await tx.row(
        "SELECT value, last_step FROM second_factor WHERE principal = ? AND kind = 'totp' AND confirmed > 0",
        person,
    )
    return None if row is None else (bytes(row[0]), int(row[1]))


async def _put_recovery(tx: Tx, person: int, hashes: list[bytes]) -> None:
    await tx.execute("DELETE FROM second_factor WHERE principal = ? AND kind = 'recovery'", person)
    for number, hashed in enumerate(hashes):
        await _put(tx, person, "recovery", str(number), hashed, clock.now())


async def _put(tx: Tx, person: int, kind: str, name: str, value: bytes, confirmed: int) -> None:
    await tx.execute(
        "INSERT INTO second_factor (principal, kind, name, value, created, confirmed, last_step)"
        " VALUES (?, ?, ?, ?, ?, ?, 0)",
        person,
        kind,
        name,
        value,
        clock.now(),
        confirmed,
    )


def _plain(code: str) -> str:
    return code[:_CODE_LIMIT].replace("-", "").replace(" ", "").lower()


def account_of(person: Principal) -> str:
    """What the throttle calls it: codes and keys are counted apart from passwords."""
    return f"code:{person.id}"
