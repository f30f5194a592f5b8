# SPDX-License-Identifier: Apache-2.0
"""envelope: RFC 5228 §5.4; and what is known of the environment (RFC 5183)."""

from __future__ import annotations

from collections.abc import Mapping

from armgs_server.errors import Invalid
from armgs_server.rules.sieve.extensions.headers import address_part
from armgs_server.rules.sieve.language import ADDRESS_PARTS, MATCHING, Extension, Spec, Type
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node, Value

PARTS = ("from", "to")


async def test_envelope(run: Run, node: Node) -> bool:
    """A null reverse-path is the empty string, whatever the address part."""
    part = run.word(node, "part", "all")
    values: list[str] = []
    for name in run.texts(node, "parts"):
        if name.lower() not in PARTS:
            raise Invalid(f"{name[:20]!r} is no part of the envelope")
        address = run.envelope.sender if name.lower() == "from" else run.envelope.recipient
        local, _, domain = address.rpartition("@")
        found = address_part(part, local, domain) if address else ""
        if found is not None:
            values.append(found)
    return await run.is_match(node, values, run.texts(node, "keys"))


async def test_environment(run: Run, node: Node) -> bool:
    """RFC 5183 §4: an item that is not known matches nothing."""
    item = run.text(node, "item").lower()
    value = run.envelope.environment.get(item) or run.host.environment(item)
    return value is not None and await run.is_match(node, [value], run.texts(node, "keys"))


def check_parts(arguments: Mapping[str, Value]) -> None:
    """RFC 5228 §5.4: an unknown part that is a constant is an error of the script."""
    parts = arguments["parts"]
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, str) and part.lower() not in PARTS:
            raise Invalid(f"{part[:20]!r} is no part of the envelope")


EXTENSION = Extension(
    capabilities={"envelope": (), "environment": ()},
    tests=(
        Spec(
            "envelope",
            test_envelope,
            (("parts", Type.STRINGS), ("keys", Type.STRINGS)),
            (*MATCHING, *ADDRESS_PARTS),
            "envelope",
            check=check_parts,
        ),
        Spec(
            "environment",
            test_environment,
            (("item", Type.STRING), ("keys", Type.STRINGS)),
            MATCHING,
            "environment",
        ),
    ),
)
