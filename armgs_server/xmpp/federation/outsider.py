# SPDX-License-Identifier: Apache-2.0
"""Somebody of another server or a component who asks something here: a session without an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.directory import Principal
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.session import Session

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server


class Outsider(Session):
    """For as long as one IQ is answered. Nothing of it is kept, and it owns nothing (owner 0)."""

    __slots__ = ("_server",)

    def __init__(self, server: Server, jid: JID) -> None:
        super().__init__(Account(_principal(jid)), jid, None, "")
        self._server = server

    @property
    def is_outside(self) -> bool:
        return True

    def send(self, data: bytes) -> None:
        self._server.send(self.jid, data)


def _principal(jid: JID) -> Principal:
    return Principal(
        id=0,
        kind="person",
        address=jid.bare,
        name="",
        department=0,
        unit=0,
        post="",
        head=False,
        disabled=False,
        data={},
    )
