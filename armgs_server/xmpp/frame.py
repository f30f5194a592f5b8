# SPDX-License-Identifier: Apache-2.0
"""What processes say to each other about chat: fields between NULs, which no XML and no JID contains.

A frame goes to a topic: `xmpp:BARE-JID` is heard by every process where that person has sessions,
`xmpp-process:ID` by one process.
"""

from __future__ import annotations

from dataclasses import dataclass

STANZA = "stanza"  # for a full JID, or for all available sessions (presence) or receivers of a bare one
MESSAGE = "message"  # a message for receivers; argument `keep`: wait for them where there are none left
CARBON = "carbon"  # a copy of a message; argument `sent ID` or `received ID` (the id in the archive)
IQ = "iq"  # an IQ for a full JID, answered with an error where the session is gone
OFFLINE = "offline"  # a message waits for whoever takes messages
ROSTER = "roster"  # the contact named by the argument has changed
BLOCKLIST = "blocklist"  # it has changed; argument `block` or `unblock`, the JIDs by line
EVENT = "event"  # an item was published (XEP-0163) at the node named by the argument
PUSH = "push"  # a request to a push service (XEP-0357), to be sent unless the session `to` has its stream
GONE = "gone"  # the session `to` has ended together with its process; topic `xmpp-gone`
ASK = "ask"  # a question of one process to another; argument `NUMBER WHAT`
ANSWER = "answer"  # argument the number


@dataclass(frozen=True, slots=True)
class Frame:
    """`process` has sent it; `origin` is the full JID a stanza is from, where it matters; `to` a JID."""

    process: str
    kind: str
    to: str
    origin: str
    argument: str
    data: bytes
    number: int = 0  # rises with each frame of a process

    def encode(self) -> bytes:
        fields = (self.process, str(self.number), self.kind, self.to, self.origin, self.argument, "")
        head = "\0".join(fields)
        return head.encode() + self.data


def decode(message: bytes) -> Frame:
    """The frame of a message on the bus."""
    *head, data = message.split(b"\0", 6)
    process, number, kind, to, origin, argument = (field.decode() for field in head)
    return Frame(process, kind, to, origin, argument, data, int(number))
