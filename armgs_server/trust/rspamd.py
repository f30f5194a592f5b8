# SPDX-License-Identifier: Apache-2.0
"""rspamd over its HTTP protocol: /checkv2 for an opinion, /learnspam and /learnham to teach it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import Any

from armgs_server.errors import Invalid
from armgs_server.trust import http
from armgs_server.trust.endpoint import Endpoint
from armgs_server.trust.model import Arrival, Refusal
from armgs_server.trust.opinion import Opinion, field

# Recipients told of; rspamd needs them for its settings of users, not for the verdict.
RECIPIENTS = 100
SYMBOLS = 100

# "rewrite subject" is no reason to touch the message: it is junk, and marked as such.
_JUNK_ACTIONS = frozenset({"add header", "rewrite subject", "quarantine"})
_REFUSALS = {
    "reject": Refusal(550, "5.7.1", "The message is taken for spam"),
    "discard": Refusal(550, "5.7.1", "The message is taken for spam"),
    "soft reject": Refusal(451, "4.7.1", "Try again later"),
}
# rspamd greylists by "soft reject"; "greylist" is what it says once the sender has come again.
_KNOWN = frozenset({"no action", "greylist", *_JUNK_ACTIONS, *_REFUSALS})


@dataclass(frozen=True, slots=True)
class Rspamd:
    """See filters.Filter."""

    endpoint: Endpoint
    hostname: str

    async def ask(self, arrival: Arrival) -> Opinion:
        headers = [
            ("IP", arrival.peer),
            ("Helo", arrival.helo),
            ("From", arrival.sender),
            ("Queue-Id", arrival.id),
            ("MTA-Name", self.hostname),
            *(("Rcpt", recipient) for recipient in arrival.recipients[:RECIPIENTS]),
        ]
        status, body = await http.post(self.endpoint, "/checkv2", headers, arrival.text)
        if status != 200:
            raise Invalid(f"rspamd answers {status}")
        return parse_answer(body)


def parse_answer(body: bytes) -> Opinion:
    """What rspamd says, as our opinion; Invalid."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Invalid("rspamd's answer is not JSON") from error
    action = str(answer.get("action")) if isinstance(answer, Mapping) else ""
    if action not in _KNOWN:
        raise Invalid("rspamd's answer has no action that is known")
    score, required = _number(answer.get("score")), _number(answer.get("required_score"))
    fields = field("X-Spam-Score", f"{score:.2f} / {required:.2f}")
    fields += field("X-Spamd-Result", f"{action}; {_symbols(answer.get('symbols'))}")
    refusal = _REFUSALS.get(action)
    texts = answer.get("messages")
    if refusal is not None and isinstance(texts, Mapping) and isinstance(texts.get("smtp_message"), str):
        refusal = Refusal(refusal.code, refusal.status, texts["smtp_message"][:200])
    return Opinion(action in _JUNK_ACTIONS, refusal, fields, f"{score:.2f}")


async def learn(endpoint: Endpoint, password: str, text: bytes | mmap, *, is_spam: bool) -> None:
    """Teaches it one message. What it knows already, or cannot learn from, is no error; Invalid when it
    refuses us, or fails."""
    path = "/learnspam" if is_spam else "/learnham"
    headers = [("Password", password)] if password else []
    status, body = await http.post(endpoint, path, headers, text)
    if status in (401, 403) or status >= 500:
        raise Invalid(f"rspamd's controller answers {status}: {body[:200].decode('utf-8', 'replace')}")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _symbols(value: Any) -> str:
    """NAME(score) of each rule that has fired, the heaviest first."""
    if not isinstance(value, Mapping):
        return ""
    scores = {
        str(name): _number(symbol.get("score"))
        for name, symbol in value.items()
        if isinstance(symbol, Mapping)
    }
    heaviest = sorted(scores.items(), key=lambda each: -abs(each[1]))[:SYMBOLS]
    return "\n".join(f"{re.sub(r'[^A-Z0-9_]', '', name)}({score:.2f})" for name, score in heaviest)
