# SPDX-License-Identifier: Apache-2.0
"""duplicate: RFC 7352. Ids are remembered when the scripts have ended without an error (RFC 7352 §3)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from armgs_server.errors import Invalid
from armgs_server.rules.sieve.actions import Remember
from armgs_server.rules.sieve.language import Extension, Option, Spec, Type
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node, Value

DAY = 86400
DEFAULT = 7 * DAY


async def test_duplicate(run: Run, node: Node) -> bool:
    """Whether a message with this id has come before; one without an id never has."""
    if "uniqueid" in node.arguments:
        unique = run.text(node, "uniqueid")
    else:
        values = run.letter.values(run.text(node, "header", "Message-ID"))
        unique = values[0] if values else ""
    if not unique:
        return False
    handle = run.text(node, "handle")
    key = hashlib.sha256(f"{len(handle)} {handle} {unique}".encode()).hexdigest()
    seconds = min(run.number(node, "seconds", DEFAULT), run.limits.duplicate_days * DAY)
    run.outcome.remembered[key] = Remember(key, seconds, "last" in node.arguments)
    return await run.host.is_remembered(key)


def check_id(arguments: Mapping[str, Value]) -> None:
    """RFC 7352 §3.1: :header and :uniqueid exclude one another."""
    if "header" in arguments and "uniqueid" in arguments:
        raise Invalid("one of :header and :uniqueid")


EXTENSION = Extension(
    capabilities={"duplicate": ()},
    tests=(
        Spec(
            "duplicate",
            test_duplicate,
            options=(
                Option("handle", Type.STRING),
                Option("header", Type.STRING),
                Option("uniqueid", Type.STRING),
                Option("seconds", Type.NUMBER),
                Option("last"),
            ),
            capability="duplicate",
            check=check_id,
        ),
    ),
)
