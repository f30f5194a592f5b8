# SPDX-License-Identifier: Apache-2.0
"""What the client of an ACME CA keeps (RFC 8555): its account, the certificate, what is due, open challenges.

It is in the store because any process of any host may be asked for a challenge, and all of them show the
same certificate.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from armgs_server.storage.tx import Tx

# Published on the bus when the certificate is another one, or one is demanded.
TOPIC: Final = "acme"
_ACCOUNT, _CERTIFICATE, _STATE, _CHALLENGE = "account", "certificate", "state", "challenge"


@dataclass(frozen=True, slots=True)
class Account:
    """At the CA whose directory is given. `key` is PEM; `url` is '' until the CA has given it."""

    directory: str
    key: str
    url: str

    def __repr__(self) -> str:
        """Nothing secret: this may get into a log."""
        return f"Account({self.url} at {self.directory})"


@dataclass(frozen=True, slots=True)
class State:
    """How it stands. Moments are microseconds since 1970, 0 is never."""

    directory: str = ""  # of the CA that made the certificate
    done: int = 0  # when it was made
    renew: int = 0  # when the next one is ordered
    ask: int = 0  # when the CA is asked next for its own wish (RFC 9773)
    refused: Mapping[str, str] = field(default_factory=dict)  # names for which the CA did not vouch, and why
    again: int = 0  # when they are tried again
    failures: int = 0  # since it last went well
    retry: int = 0  # not before this
    error: str = ""
    demanded: bool = False  # by an administrator, whatever is due


async def account(tx: Tx, directory: str) -> Account | None:
    """The account at that CA."""
    found = await _get(tx, _ACCOUNT)
    if found is None:
        return None
    kept = Account(**json.loads(found))
    return kept if kept.directory == directory else None


async def keep_account(tx: Tx, made: Account) -> None:
    """In place of one at another CA."""
    await _put(tx, _ACCOUNT, json.dumps(dataclasses.asdict(made)).encode())


async def certificate(tx: Tx) -> bytes | None:
    """Private key, certificate and chain, PEM."""
    return await _get(tx, _CERTIFICATE)


async def keep_certificate(tx: Tx, pem: bytes) -> None:
    """A new one, told to every process."""
    await _put(tx, _CERTIFICATE, pem)
    tx.publish(TOPIC, b"")


async def state(tx: Tx) -> State:
    """How it stands."""
    found = await _get(tx, _STATE)
    return State() if found is None else State(**json.loads(found))


async def keep_state(tx: Tx, now: State) -> None:
    """In place of what was."""
    await _put(tx, _STATE, json.dumps(dataclasses.asdict(now)).encode())


async def demand(tx: Tx) -> None:
    """A new certificate is ordered at once, whatever has failed before."""
    await keep_state(tx, dataclasses.replace(await state(tx), demanded=True, retry=0))
    tx.publish(TOPIC, b"")


async def keep_challenges(tx: Tx, answers: Mapping[str, str], expires: int) -> None:
    """Key authorizations by token (§8.3), instead of those of earlier orders."""
    await tx.execute("DELETE FROM acme WHERE kind = ?", _CHALLENGE)
    for token, answer in answers.items():
        await _put(tx, _CHALLENGE, answer.encode(), token, expires)


async def challenge(tx: Tx, token: str, now: int) -> bytes | None:
    """The key authorization of a token, until its order is over."""
    found: Any = await tx.value(
        "SELECT value FROM acme WHERE kind = ? AND name = ? AND expires > ?", _CHALLENGE, token, now
    )
    return None if found is None else bytes(found)


async def _get(tx: Tx, kind: str) -> bytes | None:
    found: Any = await tx.value("SELECT value FROM acme WHERE kind = ? AND name = ''", kind)
    return None if found is None else bytes(found)


async def _put(tx: Tx, kind: str, value: bytes, name: str = "", expires: int = 0) -> None:
    await tx.execute(
        "INSERT INTO acme (kind, name, value, expires) VALUES (?, ?, ?, ?) ON CONFLICT (kind, name)"
        " DO UPDATE SET value = excluded.value, expires = excluded.expires",
        kind,
        name,
        value,
        expires,
    )
