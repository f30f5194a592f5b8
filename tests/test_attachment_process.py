# SPDX-License-Identifier: Apache-2.0
"""The process that reads attachments, as imap.attachments speaks to it."""

from __future__ import annotations

import asyncio
import sys

from armgs_server.attachment_process import REPLY, REQUEST, read
from tests.formats.documents import docx, packed, pdf

TIMEOUT = 60.0


async def ask(*requests: tuple[bytes, int]) -> list[str]:
    """All at once, as they may come; the answers in their order."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "armgs_server.attachment_process",
        str(512 << 20),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(TIMEOUT):
        out, _ = await process.communicate(
            b"".join(REQUEST.pack(len(data), limit) + data for data, limit in requests)
        )
    assert process.returncode == 0
    answers = []
    while out:
        [size] = REPLY.unpack(out[: REPLY.size])
        answers.append(out[REPLY.size : REPLY.size + size].decode())
        out = out[REPLY.size + size :]
    return answers


async def test_one_after_the_other() -> None:
    answers = await ask((pdf("Invoice 4711"), 100), (b"%PDF-1.7 broken", 100), (docx("Договор"), 3), (b"", 9))
    assert [answer.strip() for answer in answers] == ["Invoice 4711", "", "Дог", ""]


def test_what_cannot_be_read_is_empty() -> None:
    assert read(packed({"word/document.xml": "<a></b>"}), 100) == ""
    assert read(b"%PDF-1.7\n" + b"\xff" * 1000, 100) == ""
