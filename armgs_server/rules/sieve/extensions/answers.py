# SPDX-License-Identifier: Apache-2.0
"""What is said to the sender: vacation (RFC 5230, RFC 6131), reject and ereject (RFC 5429)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.rules.answering import is_answerable
from armgs_server.rules.sieve.actions import FileInto, Redirect, Reject, Vacation
from armgs_server.rules.sieve.language import Extension, Option, Spec, Type
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node, Value

DAY = 86400


async def run_vacation(run: Run, node: Node) -> None:
    """RFC 5230 §4. The answer goes out if the message may be answered, and the sender had none lately."""
    for action in run.outcome.actions:
        if isinstance(action, Vacation):
            raise Invalid("one vacation for a message")
        if isinstance(action, Reject):
            raise Invalid("a message that is rejected is not answered")
    own = {addresses.normalise(address) for address in run.texts(node, "addresses")}
    if not is_answerable(run.letter, run.envelope, own | set(run.host.addresses)):
        return
    reason, subject, sender = (run.text(node, key) for key in ("reason", "subject", "sender"))
    if sender:
        addresses.parse(bare_address(sender))  # Invalid
    is_mime = "mime" in node.arguments
    handle = run.text(node, "handle")
    if not handle:  # RFC 5230 §4.2: otherwise what tells answers apart are their arguments
        plain = "\0".join((reason, subject, sender, str(is_mime)))
        handle = hashlib.sha256(plain.encode()).hexdigest()
    seconds = run.number(node, "seconds", -1)  # RFC 6131 §2; 0 answers each message
    if seconds < 0:
        seconds = max(run.number(node, "days", run.limits.vacation_days), 1) * DAY  # RFC 5230 §4.1
    seconds = min(seconds, run.limits.vacation_longest * DAY)
    run.act(Vacation(reason, subject, sender, handle, seconds, is_mime), keeps=True)


async def run_reject(run: Run, node: Node) -> None:
    """RFC 5429 §2: nothing else becomes of the message."""
    for action in run.outcome.actions:
        if isinstance(action, FileInto | Redirect | Vacation | Reject):
            raise Invalid("a message that is rejected cannot be kept, redirected or answered")
    run.act(Reject(run.text(node, "reason"), node.name == "ereject"))


def check_vacation(arguments: Mapping[str, Value]) -> None:
    """Constant addresses must be some; RFC 6131 §2: :days and :seconds exclude one another."""
    if "days" in arguments and "seconds" in arguments:
        raise Invalid("one of :days and :seconds")
    own = arguments.get("addresses", [])
    sender = arguments.get("sender", "")
    for address in [*(own if isinstance(own, list) else []), *([sender] if sender else [])]:
        if isinstance(address, str):
            addresses.parse(bare_address(address))


def bare_address(text: str) -> str:
    """An address alone, or out of the angle brackets of a name-addr."""
    _, bracket, rest = text.rpartition("<")
    return rest.rpartition(">")[0].strip() if bracket else text.strip()


_REASON = (("reason", Type.STRING),)

EXTENSION = Extension(
    capabilities={"vacation": (), "vacation-seconds": ("vacation",), "reject": (), "ereject": ()},
    commands=(
        Spec(
            "vacation",
            run_vacation,
            _REASON,
            (
                Option("days", Type.NUMBER),
                Option("seconds", Type.NUMBER, capability="vacation-seconds"),
                Option("subject", Type.STRING),
                Option("from", Type.STRING, slot="sender"),
                Option("addresses", Type.STRINGS),
                Option("mime"),
                Option("handle", Type.STRING),
            ),
            "vacation",
            check=check_vacation,
        ),
        Spec("reject", run_reject, _REASON, capability="reject"),
        Spec("ereject", run_reject, _REASON, capability="ereject"),
    ),
)
