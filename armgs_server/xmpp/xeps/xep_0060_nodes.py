# SPDX-License-Identifier: Apache-2.0
"""XEP-0060: what all files of publish-subscribe share: names, errors, whose nodes they are, one request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lxml import etree

from armgs_server.directory import Principal
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import StanzaError, element

if TYPE_CHECKING:
    from armgs_server.config import XmppSettings
    from armgs_server.storage.tx import Tx
    from armgs_server.xmpp.server import Server
    from armgs_server.xmpp.xeps.xep_0060_notify import Event

NAMESPACE = "http://jabber.org/protocol/pubsub"
OWNER = f"{NAMESPACE}#owner"
ERRORS = f"{NAMESPACE}#errors"
EVENT = f"{NAMESPACE}#event"
MAX_NAME = 1000  # characters of a NodeID or an ItemID


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes of one owner: of a person (XEP-0163), or of a department at pubsub.DOMAIN."""

    server: Server
    owner: int
    address: str  # where requests go, and whom events come from
    person: Principal | None = None
    reactions: Mapping[str, Reaction] = field(default_factory=dict)  # by node: what follows a change there
    derived: Mapping[str, Derived] = field(default_factory=dict)  # by node: items where nobody made the node

    @property
    def is_personal(self) -> bool:
        return self.person is not None

    @property
    def settings(self) -> XmppSettings:
        return self.server.config.xmpp


# The `<item/>` elements of a node that nobody has made.
Derived = Callable[[Nodes], Awaitable[bytes]]
# Done in the transaction that changes a node; what is to be told of it afterwards.
Reaction = Callable[["Tx", Nodes], Awaitable[list["Event"]]]


@dataclass(frozen=True, slots=True)
class Request:
    """One IQ to the nodes; `payload` is its `<pubsub/>`. `after` is done once the result has been sent."""

    nodes: Nodes
    origin: JID
    payload: etree._Element
    after: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    @property
    def server(self) -> Server:
        return self.nodes.server

    @property
    def owner(self) -> int:
        return self.nodes.owner

    def child(self, name: str, xmlns: str = NAMESPACE) -> etree._Element | None:
        """The child of the request with that name."""
        return self.payload.find(f"{{{xmlns}}}{name}")


def error(condition: str, specific: str, type: str = "", **attributes: str) -> StanzaError:
    """An error with the pubsub condition beside it (§11)."""
    return StanzaError(condition, type=type, extra=element(specific, {"xmlns": ERRORS, **attributes}))


def unsupported(feature: str) -> StanzaError:
    """§11: the node or the service does not do that."""
    return error("feature-not-implemented", "unsupported", feature=feature)


def name_of(child: etree._Element) -> str:
    """The NodeID that a request names."""
    node = child.get("node") or ""
    if not node or len(node) > MAX_NAME:
        raise error("bad-request", "nodeid-required")
    return node


def pubsub(inner: bytes, xmlns: str = NAMESPACE) -> bytes:
    """The payload of a result."""
    return element("pubsub", {"xmlns": xmlns}, inner)
