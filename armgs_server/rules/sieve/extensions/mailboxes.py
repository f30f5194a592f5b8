# SPDX-License-Identifier: Apache-2.0
"""Mailboxes and what is kept with them: RFC 5490 (mailbox, mboxmetadata, servermetadata), RFC 8579
(special-use)."""

from __future__ import annotations

from armgs_server.rules.sieve.language import MATCHING, Extension, Option, Spec, Type
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node


async def test_mailboxexists(run: Run, node: Node) -> bool:
    """RFC 5490 §3.1"""
    for name in run.texts(node, "mailboxes"):
        if not await run.host.has_mailbox(name):
            return False
    return True


async def test_metadata(run: Run, node: Node) -> bool:
    """RFC 5490 §3.3"""
    value = await run.host.annotation(run.text(node, "mailbox"), run.text(node, "annotation"))
    return value is not None and await run.is_match(node, [value], run.texts(node, "keys"))


async def test_metadataexists(run: Run, node: Node) -> bool:
    """RFC 5490 §3.4"""
    return await _have(run, run.text(node, "mailbox"), run.texts(node, "annotations"))


async def test_servermetadata(run: Run, node: Node) -> bool:
    """RFC 5490 §3.5"""
    value = await run.host.annotation(None, run.text(node, "annotation"))
    return value is not None and await run.is_match(node, [value], run.texts(node, "keys"))


async def test_servermetadataexists(run: Run, node: Node) -> bool:
    """RFC 5490 §3.6"""
    return await _have(run, None, run.texts(node, "annotations"))


async def _have(run: Run, mailbox: str | None, names: list[str]) -> bool:
    for name in names:
        if await run.host.annotation(mailbox, name) is None:
            return False
    return True


async def test_specialuse_exists(run: Run, node: Node) -> bool:
    """RFC 8579 §3: all of the attributes, those of one mailbox where one is named."""
    wanted = run.text(node, "mailbox") if "mailbox" in node.arguments else None
    for attribute in run.texts(node, "attributes"):
        mailbox = await run.host.special_use(attribute)
        if mailbox is None or (wanted is not None and mailbox != wanted):
            return False
    return True


_ANNOTATIONS = ("annotations", Type.STRINGS)
_ANNOTATION = ("annotation", Type.STRING)
_MAILBOX = ("mailbox", Type.STRING)
_KEYS = ("keys", Type.STRINGS)

EXTENSION = Extension(
    capabilities={"mailbox": (), "mboxmetadata": (), "servermetadata": (), "special-use": ()},
    tests=(
        Spec("mailboxexists", test_mailboxexists, (("mailboxes", Type.STRINGS),), capability="mailbox"),
        Spec("metadata", test_metadata, (_MAILBOX, _ANNOTATION, _KEYS), MATCHING, "mboxmetadata"),
        Spec("metadataexists", test_metadataexists, (_MAILBOX, _ANNOTATIONS), capability="mboxmetadata"),
        Spec("servermetadata", test_servermetadata, (_ANNOTATION, _KEYS), MATCHING, "servermetadata"),
        Spec("servermetadataexists", test_servermetadataexists, (_ANNOTATIONS,), capability="servermetadata"),
        Spec(
            "specialuse_exists",
            test_specialuse_exists,
            (_MAILBOX, ("attributes", Type.STRINGS)),
            capability="special-use",
            may_skip=True,
        ),
    ),
    widens={
        "fileinto": (
            Option("create", capability="mailbox"),
            Option("specialuse", Type.STRING, capability="special-use"),
        )
    },
)
