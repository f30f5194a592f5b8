# SPDX-License-Identifier: Apache-2.0
"""include, return, global: RFC 6609. Personal scripts are the owner's, global ones the department's."""

from __future__ import annotations

from collections.abc import Mapping

from armgs_server.errors import Invalid
from armgs_server.rules.sieve import strings
from armgs_server.rules.sieve.language import Extension, Option, Spec, Type
from armgs_server.rules.sieve.machine import Frame, Return, Run
from armgs_server.rules.sieve.program import Node, Value


async def run_include(run: Run, node: Node) -> None:
    """RFC 6609 §3.2: the script runs with variables of its own."""
    location, name = run.word(node, "location", "personal"), run.text(node, "name")
    if "once" in node.arguments and (location, name) in run.included:
        return
    run.includes += 1
    if run.includes > run.limits.includes or run.frame.depth >= run.limits.include_depth:
        raise Invalid("too many scripts are included")
    program = await run.host.script(location, name)
    if program is None:
        if "optional" in node.arguments:
            return
        raise Invalid(f"there is no {location} script {name[:60]!r}")
    run.included.add((location, name))
    outer = run.frame
    run.frame = Frame(program, depth=outer.depth + 1)
    try:
        await run.execute(program.nodes)
    except Return:
        return
    except Invalid as error:
        raise Invalid(f"in {name[:60]!r}, line {error.line}: {error.text}", node.line) from error
    finally:
        run.frame = outer


async def run_return(run: Run, node: Node) -> None:
    """RFC 6609 §3.3"""
    raise Return


async def run_global(run: Run, node: Node) -> None:
    """RFC 6609 §3.4: these names mean the variables that all scripts share."""
    for name in run.texts(node, "names"):
        if name.lower() in run.frame.variables:
            raise Invalid(f"{name[:60]!r} was set before it was made global")
        run.frame.shared.add(name.lower())


def check_names(arguments: Mapping[str, Value]) -> None:
    """Constants, and names of variables."""
    names = arguments["names"]
    for name in names if isinstance(names, list) else ():
        if not isinstance(name, str) or "." in name:
            raise Invalid("the name of a variable is a constant without a namespace")
        strings.check_variable(name)


EXTENSION = Extension(
    capabilities={"include": ()},
    commands=(
        Spec(
            "include",
            run_include,
            (("name", Type.STRING),),
            (
                Option("personal", slot="location", value="personal"),
                Option("global", slot="location", value="global"),
                Option("once"),
                Option("optional"),
            ),
            "include",
        ),
        Spec("return", run_return, capability="include"),
        Spec("global", run_global, (("names", Type.STRINGS),), capability="include", check=check_names),
    ),
)
