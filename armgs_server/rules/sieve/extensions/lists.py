# SPDX-License-Identifier: Apache-2.0
"""Lists outside of scripts: RFC 6134. Which there are is the host's to know."""

from __future__ import annotations

from armgs_server.rules.sieve.language import Extension, Spec, Type
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node


async def test_valid_ext_list(run: Run, node: Node) -> bool:
    """RFC 6134 §2.8: all of them are there."""
    return all([run.host.has_list(name) for name in run.texts(node, "lists")])


EXTENSION = Extension(
    capabilities={"extlists": ()},
    tests=(Spec("valid_ext_list", test_valid_ext_list, (("lists", Type.STRINGS),), capability="extlists"),),
)
