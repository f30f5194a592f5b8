# SPDX-License-Identifier: Apache-2.0
"""Control flow and the tests of tests: RFC 5228 §3 and §5; ihave and error (RFC 5463)."""

from __future__ import annotations

from armgs_server.errors import Invalid
from armgs_server.rules.sieve.language import MANY, Extension, Spec, Type
from armgs_server.rules.sieve.machine import Run, Stop
from armgs_server.rules.sieve.program import Node


async def run_if(run: Run, node: Node) -> None:
    """RFC 5228 §3.1: the block of the first test that is true, or the one behind them all."""
    for test, block in zip(node.tests, node.blocks, strict=False):
        if await run.evaluate(test):
            await run.execute(block)
            return
    if len(node.blocks) > len(node.tests):
        await run.execute(node.blocks[-1])


async def run_stop(run: Run, node: Node) -> None:
    """RFC 5228 §3.3"""
    raise Stop


async def run_error(run: Run, node: Node) -> None:
    """RFC 5463 §5: a run-time error of the author's making."""
    raise Invalid(run.text(node, "message"))


async def test_allof(run: Run, node: Node) -> bool:
    """RFC 5228 §5.2"""
    for test in node.tests:
        if not await run.evaluate(test):
            return False
    return True


async def test_anyof(run: Run, node: Node) -> bool:
    """RFC 5228 §5.3"""
    for test in node.tests:
        if await run.evaluate(test):
            return True
    return False


async def test_not(run: Run, node: Node) -> bool:
    """RFC 5228 §5.8"""
    return not await run.evaluate(node.tests[0])


async def test_true(run: Run, node: Node) -> bool:
    """RFC 5228 §5.10"""
    return True


async def test_false(run: Run, node: Node) -> bool:
    """RFC 5228 §5.6"""
    return False


async def test_ihave(run: Run, node: Node) -> bool:
    """RFC 5463 §4: every capability that is required at the end of the check."""
    return run.frame.program.capabilities.issuperset(run.texts(node, "capabilities"))


EXTENSION = Extension(
    capabilities={"ihave": (), "encoded-character": ()},
    commands=(
        Spec("if", run_if),
        Spec("stop", run_stop),
        Spec("error", run_error, (("message", Type.STRING),), capability="ihave"),
    ),
    tests=(
        Spec("allof", test_allof, tests=MANY),
        Spec("anyof", test_anyof, tests=MANY),
        Spec("not", test_not, tests=1),
        Spec("true", test_true),
        Spec("false", test_false),
        Spec("ihave", test_ihave, (("capabilities", Type.STRINGS),), capability="ihave"),
    ),
)
