# SPDX-License-Identifier: Apache-2.0
"""A listening socket with what is behind it, and what is counted of it."""

import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from armgs_server import log, measures

_log = log.get("net")

SERVICE_OF = {
    **dict.fromkeys(("smtp", "lmtp", "submission", "submissions"), "smtp"),
    "imap": "imap",
    "imaps": "imap",
    "sieve": "sieve",
    **dict.fromkeys(("pop3", "pop3s"), "pop3"),
    **dict.fromkeys(("ldap", "ldaps"), "ldap"),
    **dict.fromkeys(("xmpp", "xmpps", "component"), "xmpp"),
    **dict.fromkeys(("xmpp-server", "xmpps-server"), "xmpp-server"),
}

Connect = Callable[[socket.socket, str], Awaitable[Coroutine[Any, Any, None]]]  # what it returns serves


@dataclass(slots=True)
class Endpoint:
    name: str
    sock: socket.socket
    connect: Connect
    refusal: bytes
    open: measures.Count
    accepted: measures.Count
    refused: measures.Count


def open_endpoint(name: str, sock: socket.socket, connect: Connect, refusal: bytes) -> Endpoint:
    """Counts go on where an earlier listener of that name has left them."""
    counts = (measures.count(what, name) for what in ("connections", "accepted", "refused"))
    return Endpoint(name, sock, connect, refusal, *counts)


def refuse(sock: socket.socket, refusal: bytes) -> None:
    """Says it to a client for whom there is no room, if that can be said in one go."""
    try:
        if refusal:
            sock.send(refusal)
    except OSError as error:
        _log.debug("refusal not sent", error=error)
    sock.close()
