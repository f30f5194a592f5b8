# SPDX-License-Identifier: Apache-2.0
"""A listening socket with a name in the file system (unix(7)): who may open it is said by its mode."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def bind_unix(path: Path, mode: int = 0o600) -> socket.socket:
    """A listening socket in the place of an older one; by default only the daemon's user can open it."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        # A name relative to its folder: sockaddr_un holds 107 bytes, and folders may be deep.
        path.unlink(missing_ok=True)
        before = os.umask(0o777 & ~mode)
        try:
            sock.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.umask(before)
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    finally:
        os.close(folder)
    return sock
