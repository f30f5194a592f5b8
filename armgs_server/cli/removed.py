# SPDX-License-Identifier: Apache-2.0
"""What was removed and is kept, as administrators look for it: by time, by kind, by words in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from armgs_server.cli.workplace import Workplace
from armgs_server.formats import mime, mime_section
from armgs_server.storage import keeping
from armgs_server.storage.keeping import Kept

# What is larger is found by its name alone, or by its subject.
SEARCHED = 16 * 1024 * 1024


async def removed(
    workplace: Workplace, owner: int, since: int, to: int, kind: str = "", text: str = ""
) -> AsyncIterator[Kept]:
    """All that was removed in a time and is kept, page by page; with a text, what has it, in any case."""
    after = (-1, 0, 0)
    wanted = text.casefold()
    while page := await workplace.store.read(
        partial(keeping.removed, owner=owner, since=since, to=to, kind=kind, after=after)
    ):
        for each in page:
            if not wanted or await _has(workplace, each, wanted):
                yield each
        after = (page[-1].collection, page[-1].uid, page[-1].modseq)


async def _has(workplace: Workplace, kept: Kept, wanted: str) -> bool:
    if wanted in f"{kept.path}/{kept.name}".casefold():
        return True
    data = await workplace.store.blobs.read(kept.blob, 0, SEARCHED)
    return wanted in (_mail_text(data) if kept.kind == "mail" else data.decode("utf-8", "replace")).casefold()


def _mail_text(data: bytes) -> str:
    """Subject, addresses and what is text in the message."""
    index = mime.index(data)
    root = mime.unpack(index.parts, index.header_size, len(data))
    texts = [mime_section.decoded_text(data, part) for part in mime_section.text_parts(root)]
    return "\n".join([index.subject, index.sender, index.recipients, index.cc, index.bcc, *texts])
