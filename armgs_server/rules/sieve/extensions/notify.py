# SPDX-License-Identifier: Apache-2.0
"""notify: RFC 5435, by mail (RFC 5436) and by chat (RFC 5437)."""

from __future__ import annotations

from collections.abc import Mapping

from armgs_server.errors import Invalid
from armgs_server.rules.sieve.actions import Notify
from armgs_server.rules.sieve.language import MATCHING, Extension, Option, Spec, Type
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node, Value
from armgs_server.rules.sieve.uris import parse_method


async def run_notify(run: Run, node: Node) -> None:
    """RFC 5435 §3; the message is kept or not as if there were no notify."""
    method = run.text(node, "method")
    parse_method(method)  # Invalid
    count = sum(isinstance(action, Notify) for action in run.outcome.actions)
    if count >= run.limits.notifications:
        raise Invalid("too many notifications")
    importance = run.text(node, "importance", "2")
    if importance not in ("1", "2", "3"):
        raise Invalid("the importance is 1, 2 or 3")
    action = Notify(
        method,
        run.text(node, "sender"),
        importance,
        tuple(run.texts(node, "options")),
        run.text(node, "message"),
    )
    run.act(action, keeps=True)


async def test_valid_notify_method(run: Run, node: Node) -> bool:
    """RFC 5435 §4: all of them."""
    for method in run.texts(node, "methods"):
        try:
            parse_method(method)
        except Invalid:
            return False
    return True


async def test_notify_method_capability(run: Run, node: Node) -> bool:
    """RFC 5435 §5: whether somebody is there to read it is not known beforehand."""
    try:
        parse_method(run.text(node, "method"))
    except Invalid:
        return False
    if run.text(node, "capability").lower() != "online":
        return False
    return await run.is_match(node, ["maybe"], run.texts(node, "keys"))


def check_method(arguments: Mapping[str, Value]) -> None:
    """A constant method must be one."""
    method = arguments["method"]
    if isinstance(method, str):
        parse_method(method)
    importance = arguments.get("importance", "2")
    if isinstance(importance, str) and importance not in ("1", "2", "3"):
        raise Invalid("the importance is 1, 2 or 3")


EXTENSION = Extension(
    capabilities={"enotify": ()},
    commands=(
        Spec(
            "notify",
            run_notify,
            (("method", Type.STRING),),
            (
                Option("from", Type.STRING, slot="sender"),
                Option("importance", Type.STRING),
                Option("options", Type.STRINGS),
                Option("message", Type.STRING),
            ),
            "enotify",
            check=check_method,
        ),
    ),
    tests=(
        Spec(
            "valid_notify_method",
            test_valid_notify_method,
            (("methods", Type.STRINGS),),
            capability="enotify",
        ),
        Spec(
            "notify_method_capability",
            test_notify_method_capability,
            (("method", Type.STRING), ("capability", Type.STRING), ("keys", Type.STRINGS)),
            MATCHING,
            "enotify",
        ),
    ),
)
