# SPDX-License-Identifier: Apache-2.0
"""imap4flags: RFC 5232. Flags stand in an internal variable, or in named ones (RFC 5232 §2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from armgs_server.errors import Invalid
from armgs_server.rules.sieve import strings
from armgs_server.rules.sieve.language import MATCHING, Extension, Option, Spec, Type
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node, Value


async def run_setflag(run: Run, node: Node) -> None:
    """RFC 5232 §3.1"""
    _put(run, node, run.flag_list(run.texts(node, "flags")))


async def run_addflag(run: Run, node: Node) -> None:
    """RFC 5232 §3.2"""
    _put(run, node, run.flag_list([*_get(run, run.text(node, "variable")), *run.texts(node, "flags")]))


async def run_removeflag(run: Run, node: Node) -> None:
    """RFC 5232 §3.3"""
    gone = {flag.lower() for flag in run.flag_list(run.texts(node, "flags"))}
    _put(run, node, [flag for flag in _get(run, run.text(node, "variable")) if flag.lower() not in gone])


async def test_hasflag(run: Run, node: Node) -> bool:
    """RFC 5232 §4"""
    names = run.texts(node, "variables") or [""]
    values = [flag for name in names for flag in _get(run, name)]
    keys = run.texts(node, "flags")
    if run.word(node, "match", "is") not in ("count", "value"):
        keys = [word for key in keys for word in key.split()]
    return await run.is_match(node, values, keys)


def _get(run: Run, name: str) -> Sequence[str]:
    return run.flag_list([run.variable(name.lower())]) if name else run.flags


def _put(run: Run, node: Node, flags: Sequence[str]) -> None:
    name = run.text(node, "variable")
    if name:
        run.set_variable(name, " ".join(flags))
    else:
        run.flags = tuple(flags)


def check_variable(arguments: Mapping[str, Value]) -> None:
    """A named variable must be a variable's name."""
    name = arguments.get("variable", "")
    if not isinstance(name, str):
        raise Invalid("the name of a variable is a constant")
    if name:
        strings.check_variable(name)


_ARGUMENTS = (("variable", Type.STRING), ("flags", Type.STRINGS))
_FLAGS = (Option("flags", Type.STRINGS, capability="imap4flags"),)

EXTENSION = Extension(
    capabilities={"imap4flags": ()},
    commands=tuple(
        Spec(name, handle, _ARGUMENTS, (), "imap4flags", may_skip=True, check=check_variable)
        for name, handle in (
            ("setflag", run_setflag),
            ("addflag", run_addflag),
            ("removeflag", run_removeflag),
        )
    ),
    tests=(
        Spec(
            "hasflag",
            test_hasflag,
            (("variables", Type.STRINGS), ("flags", Type.STRINGS)),
            MATCHING,
            "imap4flags",
            may_skip=True,
        ),
    ),
    widens={"keep": _FLAGS, "fileinto": _FLAGS},
)
