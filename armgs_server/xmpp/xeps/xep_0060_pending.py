# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §8.7: the command by which an owner is asked once more about subscriptions that wait."""

from __future__ import annotations

from armgs_server.storage import clock, pubsub_members
from armgs_server.storage.pubsub_members import Subscription
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.iq import Query
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps import xep_0060_access as access
from armgs_server.xmpp.xeps import xep_0060_approval
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0050_commands import Ask, Call, Command, Done
from armgs_server.xmpp.xeps.xep_0060_nodes import NAMESPACE, Nodes

NODE = f"{NAMESPACE}#get-pending"
_NAME = ("Заявки на подписку", "Pending subscription requests")


async def _is_allowed(query: Query) -> bool:
    """Anybody may own nodes; who owns none is offered none."""
    return True


def _nodes(query: Query) -> Nodes:
    """Those of the account, or of the department whose service was asked."""
    server = query.server
    if query.to.local:
        person = query.session.account.principal
        return Nodes(server, person.id, person.address, person)
    return Nodes(server, server.directory.domains[query.to.domain.partition(".")[2]], query.to.domain)


async def _first(call: Call) -> Ask | Done:
    """A client that knows the node may send the form at once."""
    if call.value("pubsub#node"):
        return await _ask_again(call)
    nodes, bare = _nodes(call.query), call.query.session.account.bare

    async def work(tx: Tx) -> list[str]:
        pending = await pubsub_members.pending_nodes(tx, nodes.owner)
        return [node for node in pending if bare in await access.owners(tx, nodes, node)]

    options = tuple(("", node) for node in await nodes.server.store.read(work))
    field = Field("pubsub#node", "list-single", call.say("Узел", "Node"), (), options)
    return Ask(forms.form(xep_0060_approval.FORM_TYPE, [field]), _ask_again)


async def _ask_again(call: Call) -> Done:
    """The requests for that node go to the asker, once the command has been answered."""
    nodes, session, node = _nodes(call.query), call.query.session, call.required("pubsub#node")

    async def work(tx: Tx) -> list[Subscription]:
        await access.require_owner(tx, nodes, node, session.jid)
        everybody = await pubsub_members.subscriptions(tx, nodes.owner, node, clock.now())
        return [each for each in everybody if each.state == "pending"]

    pending = await nodes.server.store.read(work)

    async def ask() -> None:
        for each in pending:
            await xep_0060_approval.ask(nodes, session.account.bare, each)

    call.query.after(lambda: nodes.server.spawn(ask()))
    return Done()


COMMANDS = (
    Command(NODE, _NAME, "account", _first, _is_allowed),
    Command(NODE, _NAME, "pubsub", _first, _is_allowed),
)
