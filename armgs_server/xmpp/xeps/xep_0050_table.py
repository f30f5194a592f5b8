# SPDX-License-Identifier: Apache-2.0
"""XEP-0050: the commands there are, and how they are found (§2) and called (§3)."""

from __future__ import annotations

from armgs_server.xmpp.iq import ACCOUNT, SERVER, Query, Route
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps import (
    xep_0004_forms,
    xep_0050_news,
    xep_0050_requests,
    xep_0050_rooms,
    xep_0060_pending,
    xep_0133_accounts,
    xep_0133_announce,
    xep_0133_counts,
    xep_0133_people,
    xep_0401_invitations,
)
from armgs_server.xmpp.xeps.xep_0050_commands import FEATURES, NAMESPACE, Command, Place, run
from armgs_server.xmpp.xeps.xep_0133_admin import ADMIN

COMMANDS: tuple[Command, ...] = (
    *xep_0050_rooms.COMMANDS,
    *xep_0050_news.COMMANDS,
    *xep_0050_requests.COMMANDS,
    *xep_0133_accounts.COMMANDS,
    *xep_0133_people.COMMANDS,
    *xep_0133_counts.COMMANDS,
    *xep_0133_announce.COMMANDS,
    *xep_0401_invitations.COMMANDS,
    *xep_0060_pending.COMMANDS,
)
# XEP-0133's are found at the domain, and at the account of who administers it: some clients look there only.
_BY_NODE = {
    (at, command.node): command
    for command in COMMANDS
    for at in ((command.at, "account") if command.node.startswith(ADMIN) else (command.at,))
}


async def allowed(query: Query, at: Place) -> list[Command]:
    """The commands that the asker may run: nobody is told of others (§2.2)."""
    there = [command for (place, _), command in _BY_NODE.items() if place == at]
    return [command for command in there if await command.is_allowed(query)]


def find(at: Place, node: str) -> Command | None:
    """The command with that node."""
    return _BY_NODE.get((at, node))


async def items(query: Query, at: Place) -> bytes:
    """The inside of disco#items of the node of all commands (§2.2)."""
    return b"".join(
        element("item", {"jid": query.to.bare, "node": each.node, "name": each.title(query)})
        for each in await allowed(query, at)
    )


async def info(query: Query, command: Command) -> tuple[tuple[tuple[str, str, str], ...], tuple[str, ...]]:
    """Identities and features of a command's node (§2.2)."""
    if not await command.is_allowed(query):
        raise StanzaError("forbidden")
    identity = ("automation", "command-node", command.title(query))
    return (identity,), (*FEATURES, xep_0004_forms.NAMESPACE)


async def handle_server(query: Query) -> bytes:
    return await answer(query, "server")


async def handle_account(query: Query) -> bytes:
    return await answer(query, "account")


async def answer(query: Query, at: Place) -> bytes:
    """§3: the answering `<command/>`."""
    command = find(at, query.payload.get("node") or "")
    if command is None:
        raise StanzaError("item-not-found")
    if not await command.is_allowed(query):
        raise StanzaError("forbidden", type="cancel")  # §4.4
    return await run(query, command, query.server.runs)


ROUTES = (
    Route("set", NAMESPACE, "command", SERVER, handle_server),
    Route("set", NAMESPACE, "command", ACCOUNT, handle_account),
)
