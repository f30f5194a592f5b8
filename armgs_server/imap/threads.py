# SPDX-License-Identifier: Apache-2.0
"""Threading algorithms: ORDEREDSUBJECT and REFERENCES (RFC 5256 §3). Pure; no depth of a thread recurses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from armgs_server.formats.base_subject import base_subject, casemap


@dataclass(frozen=True, slots=True)
class Message:
    """What threading asks of a message; `number` is what goes out."""

    number: int
    sent: int
    subject: str
    message_id: str
    references: Sequence[str]


@dataclass(slots=True, eq=False)
class Node:
    """A message, or None for one that is only referred to."""

    message: Message | None = None
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)

    def adopt(self, child: Node) -> None:
        if child.parent is not None:
            child.parent.children.remove(child)
        child.parent = self
        self.children.append(child)

    @property
    def first(self) -> Message:
        """The message, or that of its first child: by it a thread is sorted."""
        node = self
        while node.message is None:
            node = node.children[0]
        return node.message


def _date(message: Message) -> tuple[int, int]:
    return message.sent, message.number


def ordered_subject(messages: Iterable[Message]) -> list[Node]:
    """Messages of one base subject are a thread: its first one, and all others below it, by date."""
    threads: dict[str, Node] = {}
    for message in sorted(messages, key=_date):
        subject = casemap(base_subject(message.subject)[0])
        root = threads.get(subject)
        if root is None:
            threads[subject] = Node(message)
        else:
            root.adopt(Node(message))
    return sorted(threads.values(), key=lambda node: _date(node.first))


def references(messages: Iterable[Message]) -> list[Node]:
    """RFC 5256 §3, REFERENCES, steps 1 to 6."""
    roots = _prune(_link(messages))
    _sort_all(roots)
    roots.sort(key=lambda node: _date(node.first))
    roots = _by_subject(roots)
    _sort_all(roots)
    roots.sort(key=lambda node: _date(node.first))
    return roots


def _link(messages: Iterable[Message]) -> list[Node]:
    """Step 1: parents by References; step 2: those that have none."""
    nodes: dict[str, Node] = {}
    everything: list[Node] = []

    def node_of(name: str) -> Node:
        if name not in nodes:
            nodes[name] = Node()
            everything.append(nodes[name])
        return nodes[name]

    for message in messages:
        own = nodes.get(message.message_id) if message.message_id else None
        if own is None or own.message is not None:  # no id, or one that another has: its own node
            own = Node()
            everything.append(own)
            if message.message_id and message.message_id not in nodes:
                nodes[message.message_id] = own
        own.message = message
        chain = [node_of(name) for name in message.references if name != message.message_id]
        for parent, child in pairwise(chain):
            if child.parent is None and not _is_above(child, parent):
                parent.adopt(child)
        if own.parent is not None:  # a guess by others' References; the message's own are right
            own.parent.children.remove(own)
            own.parent = None
        if chain and not _is_above(own, chain[-1]):
            chain[-1].adopt(own)
    return [node for node in everything if node.parent is None]


def _is_above(node: Node, other: Node) -> bool:
    """Whether `other` is `node`, or below it: a link would close a ring."""
    at: Node | None = other
    while at is not None:
        if at is node:
            return True
        at = at.parent
    return False


def _prune(roots: Iterable[Node]) -> list[Node]:
    """Step 3: an empty node goes, and its children take its place; at the top only where there is one."""
    found: list[Node] = []
    roots = list(roots)
    for node in _deepest_first(roots):
        kept: list[Node] = []
        for child in node.children:
            kept += [child] if child.message is not None else child.children
        node.children = kept
        for child in kept:
            child.parent = node
    for root in roots:
        if root.message is None and len(root.children) == 1:
            [root] = root.children
            root.parent = None
        if root.message is not None or root.children:
            found.append(root)
    return found


def _deepest_first(roots: Iterable[Node]) -> list[Node]:
    order: list[Node] = []
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting += node.children
    return order[::-1]


def _sort_all(roots: Iterable[Node]) -> None:
    """Step 4 and 6: children by date."""
    for node in _deepest_first(roots):
        node.children.sort(key=lambda child: _date(child.first))


def _by_subject(roots: Sequence[Node]) -> list[Node]:
    """Step 5: threads of one base subject become one."""
    subjects: dict[str, Node] = {}
    bases = {id(root): base_subject(root.first.subject) for root in roots}
    for root in roots:
        subject, is_reply = bases[id(root)]
        if not subject:
            continue
        key = casemap(subject)
        known = subjects.get(key)
        if (
            known is None
            or (root.message is None and known.message is not None)
            or (known.message is not None and bases[id(known)][1] and not is_reply)
        ):
            subjects[key] = root
    gone: set[int] = set()
    added: list[Node] = []
    for root in roots:
        subject, is_reply = bases[id(root)]
        known = subjects.get(casemap(subject)) if subject else None
        if known is None or known is root or id(root) in gone:
            continue
        gone.add(id(root))
        if known.message is None and root.message is None:
            for child in tuple(root.children):
                known.adopt(child)
        elif known.message is None or (is_reply and not bases[id(known)][1]):
            known.adopt(root)
        else:  # both are siblings below a new, empty root
            both = Node()
            bases[id(both)] = bases[id(known)]
            gone.add(id(known))
            both.adopt(known)
            both.adopt(root)
            subjects[casemap(subject)] = both
            added.append(both)
    return [root for root in [*roots, *added] if id(root) not in gone]


Algorithm: TypeAlias = Callable[[Iterable[Message]], list[Node]]
ALGORITHMS: Mapping[str, Algorithm] = {"ORDEREDSUBJECT": ordered_subject, "REFERENCES": references}


def serialise(roots: Iterable[Node]) -> bytes:
    """thread-data = 1*thread-list (RFC 5256 §5): a chain is a list of numbers, a fork one of lists."""
    out: list[bytes] = []
    for root in roots:
        waiting: list[Node | bytes] = [b")", root, b"("]
        while waiting:
            item = waiting.pop()
            if isinstance(item, bytes):
                out.append(item)
                continue
            if item.message is not None:
                out.append(b"%d" % item.message.number)
            if len(item.children) == 1 and item.message is not None:
                waiting += [item.children[0], b" "]
                continue
            if item.children and item.message is not None:
                out.append(b" ")
            for child in reversed(item.children):
                waiting += [b")", child, b"("]
    return b"".join(out)
