# SPDX-License-Identifier: Apache-2.0
"""keep, discard, fileinto, redirect: RFC 5228 §4; :copy (RFC 3894)."""

from __future__ import annotations

from collections.abc import Mapping

from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.rules.sieve.actions import INBOX, FileInto, Redirect, Reject
from armgs_server.rules.sieve.language import Extension, Option, Spec, Type
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node, Value

NAME_LIMIT = 1000
LIST_LIMIT = 100  # addresses of a list that a message is redirected to


async def run_keep(run: Run, node: Node) -> None:
    """RFC 5228 §4.3"""
    _file(run, node, INBOX, keeps=False)


async def run_discard(run: Run, node: Node) -> None:
    """RFC 5228 §4.4: nothing but the end of the implicit keep."""
    run.outcome.keeps = False


async def run_fileinto(run: Run, node: Node) -> None:
    """RFC 5228 §4.1"""
    name = run.text(node, "mailbox")
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise Invalid(f"{name[:60]!r} is not the name of a mailbox")
    _file(run, node, name, keeps="copy" in node.arguments)


def _file(run: Run, node: Node, mailbox: str, *, keeps: bool) -> None:
    """RFC 5228 §2.10.3: into one mailbox once, with the flags of the last time (RFC 5232 §5)."""
    if any(isinstance(action, Reject) for action in run.outcome.actions):
        raise Invalid("a message that is rejected cannot be kept")  # RFC 5429 §2.2
    flags = tuple(run.flag_list(run.texts(node, "flags"))) if "flags" in node.arguments else run.flags
    special_use = run.text(node, "specialuse")
    action = FileInto(mailbox, flags, run.letter.version, "create" in node.arguments, special_use)
    others = [
        each
        for each in run.outcome.actions
        if not (isinstance(each, FileInto) and (each.mailbox, each.special_use) == (mailbox, special_use))
    ]
    run.outcome.actions[:] = others
    run.act(action, keeps=keeps)


async def run_redirect(run: Run, node: Node) -> None:
    """RFC 5228 §4.2; with :list the addresses of a list (RFC 6134 §2.6)."""
    if any(isinstance(action, Reject) for action in run.outcome.actions):
        raise Invalid("a message that is rejected cannot be redirected")
    target = run.text(node, "address")
    targets = [target]
    if "list" in node.arguments:
        targets = (await run.host.list_addresses(target))[:LIST_LIMIT]
    known = {
        addresses.normalise(action.address) for action in run.outcome.actions if isinstance(action, Redirect)
    }
    if "list" not in node.arguments and len(known) >= run.limits.redirects:
        raise Invalid("too many redirections")
    for address in targets:
        written = str(addresses.parse(address))  # Invalid
        plain = addresses.normalise(written)
        if plain not in known:
            known.add(plain)
            run.act(Redirect(written, run.letter.version), keeps="copy" in node.arguments)
    if "copy" not in node.arguments:
        run.outcome.keeps = False


def check_redirect(arguments: Mapping[str, Value]) -> None:
    """A constant address must be one."""
    address = arguments["address"]
    if isinstance(address, str) and "list" not in arguments:
        addresses.parse(address)


def check_attribute(arguments: Mapping[str, Value]) -> None:
    """RFC 8579 §4: an attribute begins with a backslash."""
    attribute = arguments.get("specialuse", "\\")
    if isinstance(attribute, str) and not attribute.startswith("\\"):
        raise Invalid(f"{attribute[:20]!r} is no special-use attribute")


_COPY = Option("copy", capability="copy")

EXTENSION = Extension(
    capabilities={"fileinto": (), "copy": ()},
    commands=(
        Spec("keep", run_keep),
        Spec("discard", run_discard),
        Spec(
            "fileinto", run_fileinto, (("mailbox", Type.STRING),), (_COPY,), "fileinto", check=check_attribute
        ),
        Spec(
            "redirect",
            run_redirect,
            (("address", Type.STRING),),
            (_COPY, Option("list", capability="extlists")),
            check=check_redirect,
        ),
    ),
)
