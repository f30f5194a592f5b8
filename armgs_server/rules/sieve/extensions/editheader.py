# SPDX-License-Identifier: Apache-2.0
"""addheader and deleteheader: RFC 5293. What was done before keeps the header it had then."""

from __future__ import annotations

import re
from collections.abc import Mapping

from armgs_server.errors import Invalid
from armgs_server.formats.mime_header import decode_text
from armgs_server.rules.sieve.extensions.headers import INDEX
from armgs_server.rules.sieve.language import MATCHING, Extension, Option, Spec, Type
from armgs_server.rules.sieve.letter import Field
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node, Value

# RFC 5293 §6: what tells loops and answers may not be touched; nor what tells how parts lie.
PROTECTED = frozenset({"received", "auto-submitted", "return-path", "delivered-to"})
STRUCTURE = frozenset({"content-type", "content-transfer-encoding", "mime-version"})
VALUE_LIMIT = 4096
_NAME = re.compile(r"[!-9;-~]+")


async def run_addheader(run: Run, node: Node) -> None:
    """RFC 5293 §4"""
    name, value = run.text(node, "header"), run.text(node, "value")
    _check(name)
    if len(value) > VALUE_LIMIT:
        raise Invalid("the value of the field is too long")
    if name.lower() not in PROTECTED | STRUCTURE:
        run.letter.add(name, value, is_last="last" in node.arguments)


async def run_deleteheader(run: Run, node: Node) -> None:
    """RFC 5293 §5: all fields of the name, the one :index means, those whose value matches."""
    name = run.text(node, "header")
    _check(name)
    if name.lower() in PROTECTED | STRUCTURE:
        return  # RFC 5293 §6: ignored
    wanted = name.lower().encode()
    fields = [field for field in run.letter.header if field.name == wanted]
    numbers = list(range(len(fields)))
    if "index" in node.arguments:
        index = run.number(node, "index")
        number = len(fields) - index if "last" in node.arguments else index - 1
        numbers = [number] if 0 <= number < len(fields) else []
    if "patterns" in node.arguments:
        keys = run.texts(node, "patterns")
        numbers = [each for each in numbers if await _is_match(run, node, fields[each], keys)]
    chosen = frozenset(numbers)
    run.letter.delete(name, lambda number, field: number in chosen)


async def _is_match(run: Run, node: Node, field: Field, keys: list[str]) -> bool:
    return await run.is_match(node, [decode_text(field.value).strip()], keys, captures=False)


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(f"{name[:60]!r} is not the name of a header field")


def check_name(arguments: Mapping[str, Value]) -> None:
    """A constant name must be one."""
    name = arguments["header"]
    if isinstance(name, str):
        _check(name)


def check_delete(arguments: Mapping[str, Value]) -> None:
    """RFC 5293 §5: :last without :index means nothing."""
    check_name(arguments)
    if "last" in arguments and "index" not in arguments:
        raise Invalid(":last goes with :index")


_DELETE_OPTIONS = (
    *MATCHING,
    *(Option(option.name, option.type) for option in INDEX),
)

EXTENSION = Extension(
    capabilities={"editheader": ()},
    commands=(
        Spec(
            "addheader",
            run_addheader,
            (("header", Type.STRING), ("value", Type.STRING)),
            (Option("last"),),
            "editheader",
            check=check_name,
        ),
        Spec(
            "deleteheader",
            run_deleteheader,
            (("header", Type.STRING), ("patterns", Type.STRINGS)),
            _DELETE_OPTIONS,
            "editheader",
            may_drop=True,
            check=check_delete,
        ),
    ),
)
