# SPDX-License-Identifier: Apache-2.0
"""The process that reads attachments for searches: hostile files meet a limit of memory, and nobody waits.

It is started by imap.attachments, which ends it when it takes too long. A file comes on standard input behind
its size and the number of characters wanted; the text, in UTF-8 behind its size, goes to standard output.
"""

from __future__ import annotations

import os
import resource
import struct
import sys
import warnings

from armgs_server.formats.documents import text_of

REQUEST = struct.Struct(">II")
REPLY = struct.Struct(">I")
NICENESS = 10  # nobody waits for it


def main() -> None:
    """Until standard input ends. The argument is the limit of memory in octets."""
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICENESS)
    warnings.simplefilter("ignore")  # pypdf's, about files that are not as they should be
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while len(head := source.read(REQUEST.size)) == REQUEST.size:
        size, limit = REQUEST.unpack(head)
        text = read(source.read(size), limit).encode("utf-8", "replace")
        target.write(REPLY.pack(len(text)) + text)
        target.flush()


def read(data: bytes, limit: int) -> str:
    """The text of a file; of one that cannot be read, none."""
    try:
        return text_of(data, limit)
    except Exception as error:  # a library at work on a hostile file may raise anything
        print(f"unreadable: {type(error).__name__}", file=sys.stderr)
        return ""


if __name__ == "__main__":
    main()
