# SPDX-License-Identifier: Apache-2.0
"""XEP-0124 §14, §15: the order of a BOSH client's requests, and what is kept of them to be said again.

What must always hold: `held` are the requests that were taken and not answered, the oldest first; the answers
to the last `window` requests are kept (§14.3), fewer when the client acknowledges them (§9.2).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac

from armgs_server.xmpp.xeps.xep_0124_bosh_body import Body, serialise_body

Answer = asyncio.Future[bytes]

_RECOVERABLE = serialise_body({"type": "error"})  # §17.3


class Unexpected(Exception):
    """A request that cannot be taken: the session must end (§14.2, §14.3, §15.4)."""


class Requests:
    """The requests of one session; the first that is taken has the `rid` given here."""

    def __init__(self, rid: int, window: int, *, uses_acks: bool) -> None:
        self.rid = rid - 1  # of the last request taken
        self.window = window  # §7.2 `requests`
        self.uses_acks = uses_acks
        self.held: dict[int, Answer] = {}
        self._early: dict[int, tuple[Body, Answer]] = {}
        self._answers: dict[int, bytes] = {}
        self._key = ""

    @property
    def oldest(self) -> int:
        """The `rid` that is answered next."""
        return next(iter(self.held))

    def take(self, body: Body, answer: Answer) -> list[Body]:
        """The requests that are due now, in order; Unexpected."""
        if body.ack is not None and self.uses_acks:  # §9.2
            self._answers = {rid: data for rid, data in self._answers.items() if rid > body.ack}
        extra = 1 if body.type == "terminate" or body.pause is not None else 0  # §11
        if body.rid <= self.rid:
            self._repeat(body.rid, answer)
            return []
        if body.rid > self.rid + self.window + extra:
            raise Unexpected  # §14.2
        former = self._early.pop(body.rid, None)
        if former is not None:
            former[1].set_result(_RECOVERABLE)
        self._early[body.rid] = (body, answer)
        due = []
        while (following := self._early.pop(self.rid + 1, None)) is not None:
            self.rid += 1
            self.held[self.rid] = following[1]
            self._check_key(following[0])
            due.append(following[0])
        return due

    def answer(self, data: bytes) -> None:
        """Answers the oldest request."""
        rid = self.oldest
        self._answers[rid] = data
        if len(self._answers) > self.window:
            del self._answers[next(iter(self._answers))]
        self.held.pop(rid).set_result(data)

    def release(self, data: bytes) -> None:
        """Answers all that wait; nothing of it is kept."""
        waiting = [*self.held.values(), *(answer for _, answer in self._early.values())]
        self.held.clear()
        self._early.clear()
        for answer in waiting:
            if not answer.done():
                answer.set_result(data)

    def _repeat(self, rid: int, answer: Answer) -> None:
        """§14.3: what was answered is said again; of what was not, the latest copy gets the answer."""
        if rid in self.held:
            self.held[rid].set_result(_RECOVERABLE)
            self.held[rid] = answer
        elif rid in self._answers:
            answer.set_result(self._answers[rid])
        else:
            raise Unexpected

    def _check_key(self, body: Body) -> None:
        """§15.4: each key is the one of which the last was made, where the client has begun with keys."""
        if self._key:
            digest = hashlib.sha1(body.key.encode(), usedforsecurity=False).hexdigest()
            if not hmac.compare_digest(digest, self._key):
                raise Unexpected
        self._key = body.new_key or (body.key if self._key else "")
