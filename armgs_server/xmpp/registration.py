# SPDX-License-Identifier: Apache-2.0
"""XEP-0445: an account registered before log-in, by who has an invitation for one.

What must always hold: without a token that is good for an account nothing is told of any name, and nothing
is made; each wrong token counts for the throttle of log-ins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server import log
from armgs_server.directory import Principal
from armgs_server.errors import AlreadyExists, Denied, DomainError, Invalid, NotFound
from armgs_server.storage import roster as storage
from armgs_server.storage.roster import RosterItem
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import roster
from armgs_server.xmpp.stanza import Stanza, StanzaError, error_reply, from_domain_error, result
from armgs_server.xmpp.transport import Transport
from armgs_server.xmpp.xeps import xep_0077_registration as ibr
from armgs_server.xmpp.xeps import xep_0379_preauth as pars

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

_LOG = log.get("login")


class Registration:
    """One stream's; `failures` are wrong tokens."""

    __slots__ = ("_domain", "_server", "_stream", "_token", "failures")

    def __init__(self, server: Server, stream: Transport, domain: str) -> None:
        self._server = server
        self._stream = stream
        self._domain = domain
        self._token = ""
        self.failures = 0

    async def answer(self, iq: Stanza) -> bytes:
        """An IQ before log-in that is about registration."""
        try:
            return result(iq, await self._answer(iq))
        except DomainError as error:
            return error_reply(iq, from_domain_error(error))

    async def _answer(self, iq: Stanza) -> bytes:
        if iq.type == "set" and iq.has("preauth", pars.NAMESPACE):
            await self._show(iq.payload().get("token") or "")
            return b""
        if not self._token:
            raise StanzaError("forbidden", "an invitation is needed")
        if iq.type == "get":
            found = await self._server.directory.invitations.find(self._token)
            return ibr.form(b"", found[0].local if found is not None else "")
        payload = iq.payload()
        if payload.find(f"{{{ibr.NAMESPACE}}}remove") is not None:
            raise StanzaError("not-allowed")
        username, password = ibr.filled_in(payload)
        await self._register(username, password)
        return b""

    async def _show(self, token: str) -> None:
        """XEP-0445 §4: whether the token is good; it is used when the account is made."""
        auth, peer = self._server.directory.auth, self._stream.peer
        claimed = f"invitation from {peer}"
        auth.check_throttle("xmpp", peer, None, claimed)
        found = await self._server.directory.invitations.find(token)
        if found is None or found[0].domain != self._domain:
            self.failures += 1
            auth.refuse("xmpp", "invitation", peer, None, claimed)
            raise StanzaError("item-not-found", "The provided token is invalid or expired")
        self._token = token

    async def _register(self, username: str, password: str) -> None:
        server = self._server
        ibr.check_password(password)
        inviters: list[Principal] = []

        async def befriend(tx: Tx, person: Principal, inviter: Principal) -> None:
            """XEP-0401 §4.5: both are in each other's rosters."""
            inviters[:] = [inviter]
            for owner, contact in ((person, inviter), (inviter, person)):
                before = await storage.get(tx, owner.id, contact.address) or RosterItem(contact.address)
                after = RosterItem(contact.address, contact.name, "both", groups=before.groups)
                await roster.keep(tx, owner.id, before, after)

        local = username.partition("@")[0]
        try:
            person = await server.directory.invitations.register(self._token, local, password, befriend)
        except AlreadyExists as error:
            raise StanzaError("conflict") from error
        except NotFound as error:
            raise StanzaError("item-not-found", error.text) from error
        except Denied as error:
            raise StanzaError("not-allowed", error.text) from error
        except Invalid as error:
            raise StanzaError("not-acceptable", error.text) from error
        self._token = ""
        _LOG.info("registered by invitation", account=person.address, peer=self._stream.peer)
        for inviter in inviters:
            await roster.push(server, inviter.address, person.address)


def is_about(iq: Stanza) -> bool:
    """Whether an IQ before log-in is about registration."""
    return iq.has("preauth", pars.NAMESPACE) or iq.has("query", ibr.NAMESPACE)
