# SPDX-License-Identifier: Apache-2.0
"""Invitations: somebody may become a contact unasked (XEP-0379), or register an account (XEP-0445), once.

Accounts are made by invitation only where the department says so: `Principal.data["invitations"]` of the
department is "administrators" (those of the department invite) or "people" (everybody in it does); without
it nobody does. An account is made in the inviter's department, while the inviter still may invite. What is
handed out is 128 random bits; the store has a keyed hash of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from armgs_server.directory import people
from armgs_server.directory.administrators import is_administrator
from armgs_server.directory.model import Principal, check_address
from armgs_server.directory.people import Change
from armgs_server.errors import AlreadyExists, Denied, Invalid, NotFound, OverQuota
from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.directory.directory import Directory

KEY: Final = "invitations"
POLICIES: Final = ("administrators", "people")
_TOKEN_SIZE: Final = 16
# RFC 2142 and their like: nobody chooses for oneself to speak for the house.
RESERVED: Final = frozenset(
    "abuse admin administrator hostmaster info mailer-daemon noc postmaster root security support"
    " webmaster".split()
)

Also = Callable[[Tx, Principal, Principal], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a token stands for; `domain` is "" where it is for a contact alone."""

    inviter: int
    domain: str
    local: str
    is_contact: bool
    expires: int


_COLUMNS = "inviter, domain, local, is_contact, expires"


class Invitations:
    """Made by the directory, as `directory.invitations`."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._store = directory.store
        self._settings = directory.config.security

    # Who may

    async def policy(self, domain: str) -> str:
        """Who invites to accounts of that domain: one of POLICIES, or "" for nobody."""
        department = await self._department(domain)
        found = department.data.get(KEY, "") if department is not None else ""
        return found if found in POLICIES else ""

    async def set_policy(self, domain: str, policy: str) -> None:
        """Who invites to accounts of the department of that domain from now on."""
        department = await self._department(domain)
        if department is None:
            raise NotFound(f"{domain} is not a domain of this server")
        if policy and policy not in POLICIES:
            raise Invalid(f"{policy} is none of {', '.join(POLICIES)}")
        await self._directory.update(department.id, Change(data={KEY: policy or None}))

    async def may_invite(self, person: Principal) -> bool:
        """Whether accounts may be made on the person's invitation."""
        if person.disabled:
            return False
        policy = await self.policy(person.domain)
        if policy == "administrators":
            return await is_administrator(self._directory, person, person.department)
        return policy == "people"

    # Inviting

    async def invite(
        self, inviter: Principal, *, account: bool, local: str = "", is_contact: bool = True
    ) -> tuple[str, int]:
        """The token, and until when it is good. Denied; OverQuota; AlreadyExists for a name that is taken."""
        domain = inviter.domain if account else ""
        if account and not await self.may_invite(inviter):
            raise Denied("accounts are not made by invitation here")
        if local:
            local = check_address(f"{local}@{domain}").rpartition("@")[0]
        token = secrets.token_hex(_TOKEN_SIZE)
        now = clock.now()
        expires = now + int(self._settings.invitation_lifetime * clock.SECOND)
        limit = self._settings.invitations

        async def work(tx: Tx) -> None:
            await tx.execute("DELETE FROM invite WHERE inviter = ? AND expires <= ?", inviter.id, now)
            count = await tx.value("SELECT COUNT(*) FROM invite WHERE inviter = ?", inviter.id)
            if count >= limit:
                raise OverQuota(f"{limit} invitations are open")
            if local:
                await _check_free(tx, domain, local)
            await tx.execute(
                f"INSERT INTO invite (token, created, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                self._hash(token),
                now,
                inviter.id,
                domain,
                local,
                int(is_contact),
                expires,
            )

        await self._store.write(work)
        return token, expires

    # Accepting

    async def find(self, token: str) -> tuple[Invitation, Principal] | None:
        """What a token is good for now, and who invites. None for any other token, whatever the reason."""
        hashed = self._hash(token)
        invitation = await self._store.read(lambda tx: _load(tx, hashed, clock.now()))
        if invitation is None:
            return None
        inviter = await self._directory.by_id(invitation.inviter)
        if inviter is None or inviter.disabled:
            return None
        if invitation.domain and not await self.may_invite(inviter):
            return None
        return invitation, inviter

    async def register(self, token: str, local: str, password: str, also: Also) -> Principal:
        """XEP-0445 §4: makes the account, and the token is used. `also` is done in the same transaction.

        The time of the token was looked at when it was shown (§4), so it is not here. Denied, NotFound,
        AlreadyExists, Invalid.
        """
        hashed = self._hash(token)
        invitation = await self._store.read(lambda tx: _load(tx, hashed, 0))
        inviter = await self._directory.by_id(invitation.inviter) if invitation is not None else None
        if invitation is None or inviter is None or not invitation.domain:
            raise NotFound("the invitation is not good any more")
        if not await self.may_invite(inviter):
            raise Denied("accounts are not made by invitation here")
        address = check_address(f"{local}@{invitation.domain}")
        name = address.rpartition("@")[0]
        if invitation.local and name != invitation.local:
            raise Denied("the invitation is for another name")
        if not invitation.local and name in RESERVED:
            raise AlreadyExists(address)
        await self._directory.new_passwords.of_newcomer(address, name, password)
        credentials = await self._directory.auth.passwords.credentials(password)
        quota = self._directory.config.limits.quota

        async def work(tx: Tx) -> Principal:
            if not await tx.execute("DELETE FROM invite WHERE token = ?", hashed):
                raise NotFound("the invitation is not good any more")
            await _check_free(tx, invitation.domain, name)
            person = await people.create(
                tx,
                address,
                name,
                unit=0,
                post="",
                head=False,
                data={"invited_by": inviter.id},
                credentials=credentials,
                quota=quota,
            )
            if invitation.is_contact:
                await also(tx, person, inviter)
            return person

        return await self._store.write(work)

    async def accept_contact(self, tx: Tx, token: str, inviter: int) -> bool:
        """XEP-0379 §3.5: uses up the token, if it is one of that inviter; in a transaction."""
        return bool(
            await tx.execute(
                "DELETE FROM invite WHERE token = ? AND inviter = ? AND expires > ? AND is_contact = 1"
                " AND local = ''",
                self._hash(token),
                inviter,
                clock.now(),
            )
        )

    async def _department(self, domain: str) -> Principal | None:
        number = self._directory.domains.get(domain)
        return await self._directory.by_id(number) if number is not None else None

    def _hash(self, token: str) -> str:
        text = token.encode("utf-8", "surrogatepass")
        return self._directory.auth.passwords.keyed(b"invitation", text, 16).hex()


async def _load(tx: Tx, hashed: str, now: int) -> Invitation | None:
    row = await tx.row(f"SELECT {_COLUMNS} FROM invite WHERE token = ? AND expires > ?", hashed, now)
    if row is None:
        return None
    inviter, domain, local, is_contact, expires = row
    return Invitation(inviter, domain, local, bool(is_contact), expires)


async def _check_free(tx: Tx, domain: str, local: str) -> None:
    """XEP-0401 §7.2: a name in an open invitation is reserved, and one that is somebody's is taken."""
    reserved = await tx.value(
        "SELECT 1 FROM invite WHERE domain = ? AND local = ? AND expires > ?", domain, local, clock.now()
    )
    address = f"{local}@{domain}"
    taken = reserved or await tx.value(
        "SELECT 1 FROM principal WHERE address = ? UNION SELECT 1 FROM alias WHERE address = ?",
        address,
        address,
    )
    if taken:
        raise AlreadyExists(address)
